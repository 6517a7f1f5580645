//go:build linux

package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

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
