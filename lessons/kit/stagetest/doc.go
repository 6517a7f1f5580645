// Package stagetest tests the stages as what they are: programs. The test binary starts itself again as the stage's
// program, reads its JSON events, and holds each step to what the course promises: its claims hold, and without the
// feature they do not. Afterwards nothing may be left on the machine: no mount, cgroup, link, process or file.
package stagetest
