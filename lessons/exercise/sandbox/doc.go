// Package sandbox runs the test program of an exercise, and in it what a learner wrote: code that may fork
// without end, signal every process that it finds, or never return.
//
// The program runs in its own PID, mount, UTS and IPC namespaces, and below PID 1 of them: when PID 1
// exits, the kernel kills what is left (pid_namespaces(7)). An ordinary user needs a user namespace for
// that. Processes, memory, time and output are limited. Where the kernel allows no namespaces, the limits
// and a subreaper remain (prctl(2), PR_SET_CHILD_SUBREAPER).
//
// It protects against mistakes, not against malice: the files are the learner's own.
package sandbox
