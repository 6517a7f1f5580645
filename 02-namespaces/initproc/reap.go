//go:build linux && !mine

package initproc

import (
	"os"

	"golang.org/x/sys/unix"
)

// reap waits for every child, ours by birth or by adoption, until the payload, the one with this number, has ended, and returns
// its exit status: 128+n if signal n ended it. options are for wait4(2). If they ask for children that have only
// stopped, and the payload has, it is woken up (wakeUp).
func reap(pid, options int) (status int, err error) {
	for {
		var ws unix.WaitStatus
		switch who, err := unix.Wait4(-1, &ws, options, nil); {
		case err == unix.EINTR:
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case who != pid:
			// An orphan. That we have waited for it was all that it needed.
		case ws.Stopped():
			wakeUp(pid, ws)
		case ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case ws.Exited():
			return ws.ExitStatus(), nil
		}
	}
}
