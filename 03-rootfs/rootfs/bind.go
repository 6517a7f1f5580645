//go:build linux && !mine

package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// Bind shows the directory or file at source at target as well, and both are the same: what is written here is written
// there. Bound onto itself, a directory becomes a mount point, which is what pivot_root asks of a root.
// (mount(2), "Creating a bind mount".)
func Bind(source, target string) error { return mount(source, target, "", unix.MS_BIND, "") }

// BindReadOnly shows the tree at source, with what is mounted below it, at target as well: unchangeable all the way down,
// without set-user-ID programs and devices. The source stays as it is. (mount(2), mount_setattr(2).)
func BindReadOnly(source, target string) error {
	// It takes two calls: with MS_BIND, mount(2) ignores all other flags but MS_REC, MS_RDONLY too, and without a word.
	// MS_REC takes the mounts below along; in a user namespace the kernel insists on that (EINVAL), for a mount may cover
	// something that its owner wants covered.
	if err := mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	// AT_RECURSIVE makes all of them read-only, where a remount would leave what is mounted further below writable.
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &unix.MountAttr{
		Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
	}); err != nil {
		return &os.PathError{Op: "mount_setattr read-only", Path: target, Err: err}
	}
	return nil
}
