//go:build linux && !mine

package cgroup

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// JoinSelf joins the cgroups whose files JoinFiles opened: "0" stands for the writer. In v1's tasks
// that is the calling thread alone, so lock it (runtime.LockOSThread) before, and exec the target
// from it: execve(2) terminates the other threads. A parent that writes the child's PID to
// cgroup.procs instead waits ten times as long, for a lock that blocks every fork on the machine.
func JoinSelf(files []*os.File) error {
	for _, f := range files {
		if _, err := unix.Write(int(f.Fd()), []byte("0")); err != nil {
			return fmt.Errorf("join a cgroup: %w", &WriteError{f.Name(), "0", err})
		}
	}
	return nil
}
