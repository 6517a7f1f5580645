//go:build linux

package rootfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// PickUpMapped picks up Dir and Layers for a process in the user namespace users (a descriptor of /proc/PID/ns/user), whose
// root is another user than ours. In these copies each file belongs to whoever has its owner's number there: what is root's
// here is root's inside, though nobody has run chown. mount_setattr(2), MOUNT_ATTR_IDMAP.
//
// It takes CAP_SYS_ADMIN on the host (else EPERM) and a file system that can do it (else EINVAL), so call it outside.
func (s Spec) PickUpMapped(users int) (layers []*os.File, err error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, os.NewSyscallError("uname", err)
	}
	if release := unix.ByteSliceToString(u.Release[:]); !takesMapped(release) {
		return nil, fmt.Errorf("overlayfs takes no such layers before Linux 5.19; this is %s", release)
	}
	mapped := unix.MountAttr{
		Attr_set:    unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_RDONLY, // what is written goes to the layer on top
		Propagation: unix.MS_PRIVATE,                                // what the host mounts there later stays outside
		Userns_fd:   uint64(users),
	}
	for _, dir := range s.lower() {
		// Without AT_RECURSIVE: an overlay does not show what is mounted below its layers.
		fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err == nil {
			layers = append(layers, os.NewFile(uintptr(fd), dir))
			err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &mapped)
		}
		if err != nil {
			for _, f := range layers {
				_ = f.Close()
			}
			return nil, &os.PathError{Op: "a mount with an ID map for", Path: dir, Err: err}
		}
	}
	return layers, nil
}

// takesMapped tells whether this kernel's overlayfs takes mounts with ID maps. Others can be made since 5.12, but the mount
// of the overlay upon them says EINVAL, which it says of much.
func takesMapped(release string) bool {
	var major, minor int
	_, err := fmt.Sscanf(release, "%d.%d", &major, &minor)
	return err == nil && (major > 5 || major == 5 && minor >= 19)
}
