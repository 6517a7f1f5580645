// diagnosis: attached-once

//go:build linux && mine

package rootfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func Cover(null *os.File, masked, readOnly []string) error {
	for _, path := range masked {
		st, err := os.Stat(path)
		switch {
		case errors.Is(err, unix.ENOENT):
		case err != nil:
			return err
		case st.IsDir():
			if err := mount("tmpfs", path, "tmpfs", harmless|unix.MS_RDONLY, ""); err != nil {
				return err
			}
		default:
			// This moves an attached mount, from the file before to this one.
			if err := unix.MoveMount(int(null.Fd()), "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
				return err
			}
		}
	}
	for _, path := range readOnly {
		if err := BindReadOnly(path, path); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}
