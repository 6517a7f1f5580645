// Package initproc implements the first process of a container: PID 1, its init.
//
// A Go program cannot fork and continue as another process: the copy has only one of its threads.
// So the program re-executes itself in the new namespaces (Executable, Hook), as runc and
// moby/sys/reexec do. There it assembles the container. Then it stays as an init that starts the
// command, forwards signals to it, and reaps zombies (Session).
//
// When not to use it: if the command reaps its own orphans and handles SIGTERM, it can be PID 1
// itself.
package initproc
