//go:build linux

package namespace

import (
	"os"

	"golang.org/x/sys/unix"
)

// reap waits for every child, ours by birth or by adoption, until the one with this number has ended. wait4(2).
// A payload that has the terminal must not be left stopped by a Ctrl-Z: no shell outside could wake it up again.
func reap(pid int, foreground bool) (status int, err error) {
	options := 0
	if foreground {
		options = unix.WUNTRACED // tell us of those that stop, too
	}
	for {
		var ws unix.WaitStatus
		switch who, err := unix.Wait4(-1, &ws, options, nil); {
		case err == unix.EINTR:
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case who == pid && ws.Stopped() && ws.StopSignal() == unix.SIGTSTP:
			_ = unix.Kill(-pid, unix.SIGCONT) // its process group
		case who == pid && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case who == pid && ws.Exited():
			return ws.ExitStatus(), nil
		}
	}
}
