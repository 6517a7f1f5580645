//go:build linux

package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// Pivot makes the root that was built the root of this mount namespace, and lets go of the old one.
func (r *Rootfs) Pivot() error { return PivotRoot(".") }

// PivotRoot makes dir the root of this mount namespace, and the old root is gone afterwards: not hidden, as after
// chroot(2), but unmounted, so that no path and no number of ".." leads there.
//
// pivot_root(".", ".") is the idiom of pivot_root(2), NOTES: with both arguments the same, the old root is stacked on
// top of the new one, and no directory to put it in is needed, which a read-only root might not have. "." is then
// the old root, and umount2 takes it away. MNT_DETACH, because the process itself still has it in use.
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
	// The working directory still is the old root's, and ".." from there would be a way back.
	if err := unix.Chdir("/"); err != nil {
		return &os.PathError{Op: "chdir", Path: "/", Err: err}
	}
	return nil
}

// Chroot changes what "/" means for this process, and nothing else (chroot(2)). It is here to be compared with: the
// step escape walks out of it. The chdir is part of it; without it not even a trick is needed.
func Chroot(dir string) error {
	if err := unix.Chroot(dir); err != nil {
		return &os.PathError{Op: "chroot", Path: dir, Err: err}
	}
	if err := unix.Chdir("/"); err != nil {
		return &os.PathError{Op: "chdir", Path: "/", Err: err}
	}
	return nil
}
