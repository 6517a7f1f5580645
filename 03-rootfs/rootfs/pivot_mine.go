//go:build linux && mine

// Exercise 03-rootfs/pivot: the container has a new root, and the old one is gone
//
// Make dir the root of this mount namespace, and unmount the old root, so that no
// path leads there. You need three system calls: change to dir; call pivot_root with "." for both
// arguments; unmount what is on top afterwards.
//
// Read: pivot_root(2), NOTES: pivot_root(".", "."), umount2(2), MNT_DETACH, chdir(2)
// The reference also imports: os, golang.org/x/sys/unix
// Check: go run ./lessons check 03-rootfs/pivot

package rootfs

import "containerkit/lessons/kit/todo"

// PivotRoot makes dir the root of this mount namespace, and the old root is gone afterwards: not hidden, as after
// chroot(2), but unmounted, so that no path and no number of ".." leads there.
//
// pivot_root(".", ".") is the idiom of pivot_root(2), NOTES: with both arguments the same, the old root is stacked on
// top of the new one, and no directory to put it in is needed, which a read-only root might not have. The working
// directory and the root are the new root's then, but a mount that is named by "." is looked for from there upwards,
// through what is stacked on it: so umount2 takes the old root away. MNT_DETACH, because it is still in use, by what is
// mounted below it to begin with.
//
// EINVAL means: the new root is no mount point (Bind it onto itself first; EBUSY, if it lies on the same mount as the
// current root); or the parent mount of either is shared (MakePrivate first), for else the move would travel to the
// host; or the current root is no mount point, as after chroot.
func PivotRoot(dir string) error {
	return todo.Exercise("03-rootfs/pivot")
}
