//go:build linux && !mine

package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

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
	if err := unix.Chdir(dir); err != nil {
		return &os.PathError{Op: "chdir", Path: dir, Err: err}
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return &os.PathError{Op: "pivot_root", Path: dir, Err: err}
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return &os.PathError{Op: "umount2", Path: "the old root", Err: err}
	}
	return nil
}
