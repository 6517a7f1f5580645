// Package rootfs gives a container its files: a root directory of its own, built in memory, into which the process
// moves with pivot_root(2).
//
// Two kinds of root can be had. The root on board is made of the host's own programs (/usr, and /bin, /lib, /sbin
// where they are not links into it) below a writable layer in memory, with a generated /etc: nothing is downloaded
// and nothing is copied. Or Spec.Dir names a directory, for instance an unpacked image, and it becomes the lower layer.
//
//	err := rootfs.Spec{Hostname: "box"}.Enter() // in the child, inside its new mount namespace
//
// If the Spec names directories of the host, and other processes can change the paths there, the parent finds them with
// Open, makes mounts of them if it has the privilege (Clone, Map), and passes Sources.Spec and Sources.Files to the child.
//
// All of it works inside a user namespace, so as an ordinary user. It must run in a mount namespace of its own, and
// before the process has other threads that matter: pivot_root changes the root of all of them.
//
// When not to use it: for a program that only needs to be kept from a few files, Landlock (landlock(7)) is less work.
//
// What it does not isolate: the kernel behind /proc and /sys (that is what Cover is for, and it is a list, not a
// proof), the network, the processes. The programs below /usr are the host's, so what they know of the host by
// construction (its distribution, its packages) is known inside. And memory: what is written goes to a tmpfs, which
// Spec.Size bounds, or a memory cgroup.
package rootfs
