//go:build linux && !mine

package cgroup

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// JoinSelf joins the groups whose files were opened by JoinFiles: "0" stands for the writer. In v1's tasks that is the
// calling thread alone, so lock it (runtime.LockOSThread) before, and execute the target from it: exec(2) ends the
// other threads. A parent that writes the child's number to cgroup.procs instead waits ten times as long, for a lock
// that stops every fork on the machine.
func JoinSelf(files []*os.File) error {
	for _, f := range files {
		if _, err := unix.Write(int(f.Fd()), []byte("0")); err != nil {
			return fmt.Errorf("join a cgroup: %w", &WriteError{f.Name(), "0", err})
		}
	}
	return nil
}
