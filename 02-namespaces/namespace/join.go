//go:build linux

package namespace

import (
	"fmt"
	"os"
	"strconv"

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

// joinOneByOne is for kernels before 5.8. It opens all links before it enters anything: behind the first setns there
// may be another /proc, or none.
func joinOneByOne(pid int, s Set) error {
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	var flags []Set
	for _, t := range Types() {
		if s&t.Flag == 0 {
			continue
		}
		path := "/proc/" + strconv.Itoa(pid) + "/ns/" + t.Name
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: path, Err: err}
		}
		fds, flags = append(fds, fd), append(flags, t.Flag)
	}
	for i, fd := range fds {
		if err := unix.Setns(fd, int(flags[i])); err != nil {
			return fmt.Errorf("setns(%s) of process %d: %w", flags[i], pid, err)
		}
	}
	return nil
}
