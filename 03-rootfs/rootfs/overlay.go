//go:build linux

package rootfs

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Overlay lays a writable directory over others: target shows them merged, every write goes to upper, and what is in
// lower stays as it is. lower lists the topmost first, as the kernel wants it. work is an empty directory on upper's
// file system, where the kernel prepares what must appear in upper in one piece.
// See Documentation/filesystems/overlayfs.rst in the kernel's sources.
//
// The option userxattr keeps overlayfs's notes in attributes named user.overlay.*. Its own default, trusted.overlay.*,
// takes CAP_SYS_ADMIN on the host, which root in a user namespace does not have.
func Overlay(lower []string, upper, work, target string, flags uintptr) error {
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace
	paths := make([]string, len(lower))
	for i, l := range lower {
		paths[i] = escape(l)
	}
	return mount("overlay", target, "overlay", flags, "userxattr,lowerdir="+strings.Join(paths, ":")+
		",upperdir="+escape(upper)+",workdir="+escape(work))
}

// Bind shows the directory or file at source at target as well, and both are the same: what is written here is written
// there. Bound onto itself, a directory becomes a mount point, which is what pivot_root asks of a root.
func Bind(source, target string) error { return mount(source, target, "", unix.MS_BIND, "") }

// Memory mounts a new, empty file system on dir that lives in memory: tmpfs(5).
func Memory(dir string) error {
	return mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755")
}

// BindReadOnly shows the tree at source at target as well, unchangeable, without set-user-ID programs and devices.
func BindReadOnly(source, target string) error {
	fd, err := PickUp(source, true)
	if err != nil {
		return err
	}
	return PutDown(fd, target)
}

// ReadOnlyRoot makes the root itself read-only; what is mounted below, /dev and the volumes, stays as it is.
func ReadOnlyRoot() error {
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return &os.PathError{Op: "mount_setattr read-only", Path: "/", Err: err}
	}
	return nil
}
