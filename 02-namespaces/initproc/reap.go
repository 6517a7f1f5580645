//go:build linux && !mine

package initproc

import (
	"os"

	"golang.org/x/sys/unix"
)

// reap waits for every child, including adopted orphans, until the command with this PID exits. It
// returns the command's exit status, or 128+n if signal n terminated it. options are for wait4(2).
// If they report stopped children, too, and the command has stopped, reap wakes it up (wakeUp).
func reap(pid, options int) (status int, err error) {
	for {
		var ws unix.WaitStatus
		switch who, err := unix.Wait4(-1, &ws, options, nil); {
		case err == unix.EINTR:
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case who != pid:
			// An orphan: to wait for it was all that it needed.
		case ws.Stopped():
			wakeUp(pid, ws)
		case ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case ws.Exited():
			return ws.ExitStatus(), nil
		}
	}
}
