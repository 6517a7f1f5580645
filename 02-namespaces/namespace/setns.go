//go:build linux && !mine

package namespace

import (
	"os"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

// Join moves the calling thread into namespaces of a running process. For PID it moves only the
// children that start afterwards. The goroutine must be locked to its thread, and stay locked until
// both exit. (setns(2))
//
// User and Time fail (EINVAL, EUSERS) for a process with threads, and every Go program is one: see
// Birth.Join.
func Join(p *procfs.Process, s Set) error {
	if s&Mount != 0 {
		// Go's threads share root and working directory, and a thread that shares them cannot join
		// a mount namespace.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return os.NewSyscallError("unshare(CLONE_FS)", err)
		}
	}
	// The kernel joins all or none, in the right order.
	return os.NewSyscallError("setns("+s.String()+")", unix.Setns(p.PidFD(), int(s)))
}
