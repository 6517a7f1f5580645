// Package container puts the parts of the four stages together: limits (cgroup), views (namespace),
// files (rootfs), a network (network/lo, or what Config.Connect attaches), and this stage's own
// restrictions: few capabilities, no new privileges, no stray descriptors, a new environment. A Config
// goes in, a running container comes out.
//
// Two processes build it. Start does what can only be done outside: it makes the cgroup, writes the ID
// maps, attaches the network (start.go). It executes this program again as PID 1, which receives the
// plan over a socket, does the rest from inside in the order of order.go, starts the command, and stays
// as its init (init.go).
//
// When not to use it: it filters no system calls yet, so the whole kernel can be reached from inside,
// and a hole in the kernel is a hole in the container.
package container
