// diagnosis: in-the-way

//go:build linux && mine

package rootfs

import (
	"golang.org/x/sys/unix"
)

func Whiteout(path string) error {
	return unix.Mknod(path, unix.S_IFCHR, 0)
}
