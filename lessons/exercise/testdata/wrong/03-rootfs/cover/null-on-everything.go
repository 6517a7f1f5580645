// diagnosis: file-on-directory

//go:build linux && mine

package rootfs

import (
	"errors"

	"golang.org/x/sys/unix"
)

func Cover(masked, readOnly []string) error {
	for _, path := range masked {
		if err := mount("/dev/null", path, "", unix.MS_BIND, ""); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	for _, path := range readOnly {
		if err := BindReadOnly(path, path); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}
