// diagnosis: rdonly-ignored

//go:build linux && mine

package rootfs

import (
	"golang.org/x/sys/unix"
)

func Bind(source, target string) error { return mount(source, target, "", unix.MS_BIND, "") }

// One call with all the flags: the kernel ignores those that it does not care for in a bind mount.
func BindReadOnly(source, target string) error {
	return mount(source, target, "", unix.MS_BIND|unix.MS_REC|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}
