// diagnosis: returns-early

//go:build linux && mine

package initproc

import (
	"os"

	"golang.org/x/sys/unix"
)

// One wait too few: whoever ends first, it is over.
func reap(pid, options int) (status int, err error) {
	var ws unix.WaitStatus
	who, err := unix.Wait4(-1, &ws, options, nil)
	if err != nil {
		return 0, os.NewSyscallError("wait4", err)
	}
	if who != pid {
		return 0, nil
	}
	if ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}
