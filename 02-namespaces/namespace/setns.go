//go:build linux && !mine

package namespace

import (
	"os"

	"golang.org/x/sys/unix"
)

// Join moves the calling thread into namespaces of a running process: setns(2). For PID it moves only the children
// that are started from now on. The goroutine must be locked to its thread, and stay so until both end.
//
// User and Time are refused (EINVAL, EUSERS) to a process with threads, which every Go program is.
func Join(pid int, s Set) error {
	if s&Mount != 0 {
		// Go's threads share root and working directory, and a mount namespace cannot be entered while they do.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return os.NewSyscallError("unshare(CLONE_FS)", err)
		}
	}
	// A pidfd stays with its process; a number can be given to another one meanwhile. pidfd_open(2)
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		defer unix.Close(fd)
		// All at once or none, in the order that the kernel knows to be right. Since Linux 5.8.
		err = unix.Setns(fd, int(s))
		if err != unix.EINVAL {
			return os.NewSyscallError("setns("+s.String()+")", err)
		}
	}
	if err != unix.ENOSYS && err != unix.EINVAL {
		return os.NewSyscallError("pidfd_open", err)
	}
	return joinOneByOne(pid, s)
}
