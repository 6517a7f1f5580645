// diagnosis: directory-in-the-way

//go:build linux && mine

package rootfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func Whiteout(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return unix.Mknod(path, unix.S_IFCHR, 0)
}
