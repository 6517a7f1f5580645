// diagnosis: put-old-left

//go:build linux && mine

package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

func PivotRoot(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return err
	}
	if err := os.Mkdir("put_old", 0o700); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "put_old"); err != nil {
		return err
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	return unix.Unmount("/put_old", unix.MNT_DETACH)
}
