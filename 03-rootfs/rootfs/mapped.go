//go:build linux

package rootfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Map gives the layers an ID map, for a process in the user namespace users (a descriptor of
// /proc/PID/ns/user) in which root is another user than ours. In these mounts each file belongs
// to the user that has its owner's number there: what is root's here is root's inside, and chown
// is not needed. (mount_setattr(2), MOUNT_ATTR_IDMAP.) Call it after Clone, and before Begin uses
// the files.
//
// It takes CAP_SYS_ADMIN on the host (else EPERM) and a file system that can do it (else EINVAL).
// An error says why the files of the layers belong to nobody inside; the Sources are good all the
// same.
func (s *Sources) Map(users *os.File) error {
	if s.Spec.OnBoard() {
		return nil
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return os.NewSyscallError("uname", err)
	}
	if release := unix.ByteSliceToString(u.Release[:]); !takesMapped(release) {
		return fmt.Errorf("overlayfs takes no such layers before Linux 5.19; this is %s", release)
	}
	mapped := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(users.Fd())}
	for i, dir := range s.Spec.lower() {
		err := error(unix.EPERM)
		if s.Spec.Cloned {
			err = unix.MountSetattr(int(s.files[i].Fd()), "", unix.AT_EMPTY_PATH, &mapped)
		}
		if err != nil {
			return &os.PathError{Op: "a mount with an ID map for", Path: dir, Err: err}
		}
	}
	return nil
}

// takesMapped reports whether this kernel's overlayfs takes mounts with ID maps. Others can be made
// since 5.12, but the mount of the overlay upon them says EINVAL, which it says of much.
func takesMapped(release string) bool {
	var major, minor int
	_, err := fmt.Sscanf(release, "%d.%d", &major, &minor)
	return err == nil && (major > 5 || major == 5 && minor >= 19)
}
