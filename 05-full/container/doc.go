// Package container puts the parts of the four stages together: limits (cgroup), views (namespace), files (rootfs),
// a network (network/lo, or what Config.Connect attaches), and the walls of this stage: few capabilities, no new
// privileges, no stray descriptors, an environment of its own. A Config goes in, a running container comes out.
//
// Two processes of this program take part. The parent makes the cgroup and starts the child in new namespaces; the
// child, which becomes the container's process number 1, builds everything that can only be built from inside, takes
// its own powers away, starts the payload, and then forwards signals and reaps. They talk over a socket: the plan goes
// in, "ready" or what went wrong comes out.
//
// When not to use it: it filters no system calls yet, so the whole kernel can be reached from inside, and a hole in
// the kernel is a hole in the container.
package container
