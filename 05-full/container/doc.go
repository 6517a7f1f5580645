// Package container puts the parts of the four stages together: limits (cgroup), views (namespace), files (rootfs),
// a network (network/lo, or what Config.Connect attaches), and the walls of this stage: few capabilities, no new
// privileges, no stray descriptors, an environment of its own. A Config goes in, a running container comes out.
//
// Two goroutines build it. One steps over into the new namespaces and is process number 1 of the container for as long as
// it takes to build what can only be built from inside, to take the powers away, and to start the payload (init.go); then
// number 1 executes a program of its own, and the goroutine is back. The other one stays here, makes what can only be made
// outside, and looks on (start.go). Both have the same memory: see namespace.Spec.Vfork for how that can be.
//
// When not to use it: it filters no system calls yet, so the whole kernel can be reached from inside, and a hole in
// the kernel is a hole in the container.
package container
