// Package initproc is a container's first process: PID 1, its init.
//
// A Go program cannot fork and go on as another process: only one of its threads is left in the
// copy. So the program executes itself again in the new namespaces (Executable, Hook), as runc and
// moby/sys/reexec do. There it assembles the container and then stays, as an init that starts the
// command, forwards signals to it, and reaps what exits (Session).
//
// When not to use it: if the command reaps its own orphans and handles SIGTERM, it can be PID 1
// itself.
package initproc
