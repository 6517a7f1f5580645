// Package box runs a command in the container so far, for stages 02 to 04: within the budget of stage 01, in namespaces
// of its own, in whatever the stage then builds around it. What a stage adds is one function that runs inside; the rest
// is the same for all and stands here, in the order in which it must happen.
//
// It belongs to the programs of these stages, not to the parts: it reads their command line (package
// stage) and starts processes their way (package child). No part imports it.
//
// Stage 05 does not use it: its container is a library of its own, and in a hurry.
package box
