// Package box runs a command in the container of stages 02 to 04: within the limits of stage 01, in
// new namespaces, in the environment that the stage builds. A stage adds one function that runs
// inside. The rest is the same for all stages and is here, in the order in which it must happen.
//
// It belongs to the programs of these stages, not to the reusable packages: it reads their command
// line (package stage) and starts processes in their way (package child). No reusable package
// imports it.
//
// Stage 05 does not use it: its container is a separate library, optimized for startup.
package box
