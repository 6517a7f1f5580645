// Package stagetest tests the stages as programs. The test binary re-executes itself as the stage's
// program, reads its JSON events, and checks what the course promises of each step: its claims
// hold, and without the feature at least one fails. Afterwards the machine must have no new mount,
// cgroup, link, process or file.
package stagetest
