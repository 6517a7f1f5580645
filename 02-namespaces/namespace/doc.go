// Package namespace creates Linux namespaces, joins them, and compares them.
//
// A namespace gives its processes their own view of one kind of resource: PIDs, the hostname,
// mounts, System V and POSIX queues, users, the network, the clocks since boot, cgroups. A process
// is created in new ones (clone(2)), moves into new ones (unshare(2)), or joins those of another
// process (setns(2)). See namespaces(7).
//
// The requests (Set, Spec, IDMap) are plain data and can be tested anywhere. Spec.Apply, Start,
// Join and the Unshare functions make the system calls.
//
// What it does not do: a namespace limits what a process sees, not what it uses (see package
// cgroup). Files stay shared until the root changes (see package rootfs). A new network namespace
// reaches no other until it is connected (see package network). And root without its own user
// namespace is still root of the machine.
//
// When not to use it: to run a command in its own namespaces from a shell, unshare(1) and
// nsenter(1) are less work.
package namespace
