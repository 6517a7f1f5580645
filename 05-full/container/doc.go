// Package container combines the packages of the four stages: limits (cgroup), namespaces
// (namespace), files (rootfs), and a network (network/lo, or what Config.Connect attaches). It adds
// this stage's own restrictions: few capabilities, no_new_privs, no inherited file descriptors, a
// new environment. Start takes a Config and returns a running container.
//
// Two processes build it. Start does what is only possible outside: it creates the cgroup, writes
// the ID maps, and attaches the network (start.go). It re-executes this program as PID 1, which
// receives the plan over a socket and does the rest from inside, in the order of order.go. Then PID
// 1 starts the command, and stays as its init (init.go).
//
// When not to use it: it has no seccomp filter yet, so a process inside can make every system call,
// and a vulnerability in the kernel is one in the container.
package container
