// Package namespace makes Linux namespaces, enters them, and tells them apart.
//
// A namespace is one process's view of one kind of thing: process numbers, the hostname, mounts, System V and POSIX
// queues, users, the network, the clocks since boot, cgroups. A process is born in new ones (clone(2)), moves into
// new ones (unshare(2)), or joins those of another process (setns(2)). See namespaces(7).
//
// What to ask for (Set, Spec, IDMap) is plain data and can be tested anywhere. Asking the kernel is in Spec.Apply,
// Start, Join and the Unshare functions.
//
// What it does not do: a namespace limits what a process sees, not what it uses (see package cgroup). Files stay
// shared until the root is changed (see package rootfs), a new network reaches nobody until it is wired (see package
// network), and root without a user namespace of its own is still root of the machine.
//
// When not to use it: to run a command in its own namespaces from a shell, unshare(1) and nsenter(1) are less work.
package namespace
