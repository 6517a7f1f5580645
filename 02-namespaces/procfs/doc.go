// Package procfs reads what /proc says about processes: their status, their namespaces, their PIDs.
//
// A PID is only a number. The kernel gives it to another process as soon as the first one has
// exited and was waited for, and in a PID namespace without a new /proc, /proc/PID is a
// stranger. So whatever is done *to* a process goes through a Process, which holds a pidfd, and a
// program that acts calls Check before it starts. The functions that take a plain PID are for
// looking on: for what a lesson shows.
//
// When not to use it: to read one file of /proc/self, use os.ReadFile.
package procfs
