// diagnosis: real-device

//go:build linux && mine

package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// 1,3 is /dev/null.
func Whiteout(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return unix.Mknod(path, unix.S_IFCHR, int(unix.Mkdev(1, 3)))
}
