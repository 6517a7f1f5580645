// diagnosis: flags-missing

//go:build linux && mine

package rootfs

import (
	"golang.org/x/sys/unix"
)

func Bind(source, target string) error { return mount(source, target, "", unix.MS_BIND, "") }

func BindReadOnly(source, target string) error {
	if err := mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}
