//go:build linux

package procfs

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ErrForeign reports that /proc belongs to another PID namespace than ours.
var ErrForeign = errors.New("/proc shows the processes of another PID namespace")

// Check reports, as an error, whether /proc is not a proc file system, or not the one of our PID
// namespace. After `unshare --pid --fork` without --mount-proc, /proc/PID is a process of the host:
// an ID map, a cgroup or a network address for a child would go to that process.
// (pid_namespaces(7), "/proc and PID namespaces")
func Check() error {
	var fs unix.Statfs_t
	if err := unix.Statfs("/proc", &fs); err != nil {
		return &os.PathError{Op: "statfs", Path: "/proc", Err: err}
	}
	if fs.Type != unix.PROC_SUPER_MAGIC {
		return errors.New("/proc is not mounted; mount it: mount -t proc proc /proc")
	}
	// Not NSpid in /proc/self/status: its last number equals getpid(2) in a foreign /proc, too.
	self, err := os.Readlink("/proc/self")
	if err != nil {
		return err
	}
	if self != strconv.Itoa(os.Getpid()) {
		return fmt.Errorf("%w: /proc/self is %s, getpid(2) returns %d; "+
			"mount a new one: unshare --pid --fork --mount-proc COMMAND", ErrForeign, self, os.Getpid())
	}
	return nil
}
