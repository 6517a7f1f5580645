// Package sandbox runs the test program of an exercise, and in it a learner's code, which can fork
// without end, signal every process that it finds, or never return.
//
// The program runs in its own PID, mount, UTS and IPC namespaces, below PID 1: when PID 1 exits,
// the kernel kills the remaining processes (pid_namespaces(7)). An ordinary user needs a user
// namespace for that. The sandbox limits processes, memory, time and output. If the kernel allows
// no namespaces, the limits and a subreaper remain (prctl(2), PR_SET_CHILD_SUBREAPER).
//
// It protects against mistakes, not against malice: the files are the learner's own.
package sandbox
