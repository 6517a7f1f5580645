// diagnosis: source-read-only

//go:build linux && mine

package rootfs

import (
	"golang.org/x/sys/unix"
)

func Bind(source, target string) error { return mount(source, target, "", unix.MS_BIND, "") }

// MS_REMOUNT without MS_BIND changes the file system.
func BindReadOnly(source, target string) error {
	if err := mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return mount("", target, "", unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}
