// diagnosis: wrong-directory
//go:build linux && mine

package rootfs

import "golang.org/x/sys/unix"

func PivotRoot(dir string) error {
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	return unix.Chdir("/")
}
