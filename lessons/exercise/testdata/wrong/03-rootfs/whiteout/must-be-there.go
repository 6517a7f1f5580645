// diagnosis: nothing-to-remove

//go:build linux && mine

package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

func Whiteout(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return unix.Mknod(path, unix.S_IFCHR, 0)
}
