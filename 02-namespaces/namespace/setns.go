//go:build linux && !mine

package namespace

import (
	"os"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

// Join moves the calling thread into namespaces of a running process: setns(2). For PID it moves only the children
// that are started from now on. The goroutine must be locked to its thread, and stay so until both end.
//
// User and Time are refused (EINVAL, EUSERS) to a process with threads, which every Go program is: see Birth.Join.
func Join(p *procfs.Process, s Set) error {
	if s&Mount != 0 {
		// Go's threads share root and working directory, and a mount namespace cannot be entered while they do.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return os.NewSyscallError("unshare(CLONE_FS)", err)
		}
	}
	// All at once or none, in the order that the kernel knows to be right.
	return os.NewSyscallError("setns("+s.String()+")", unix.Setns(p.PidFD(), int(s)))
}
