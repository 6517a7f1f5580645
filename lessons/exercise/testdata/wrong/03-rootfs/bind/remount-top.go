// diagnosis: below-writable

//go:build linux && mine

package rootfs

import (
	"golang.org/x/sys/unix"
)

func Bind(source, target string) error { return mount(source, target, "", unix.MS_BIND, "") }

// The usual way of mount(8): it changes the topmost mount only.
func BindReadOnly(source, target string) error {
	if err := mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}
