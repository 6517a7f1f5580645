// Package procfs reads the status, the namespaces and the PIDs of processes from /proc.
//
// A PID is only a number. The kernel can reuse it as soon as the process has exited and was reaped.
// And in a PID namespace without a new /proc, /proc/PID shows another process. So anything that
// changes a process uses a Process, which holds a pidfd, and a program that does so calls Check
// first. The functions that take a plain PID are only for output: for what a lesson shows.
//
// When not to use it: to read one file of /proc/self, use os.ReadFile.
package procfs
