// diagnosis: interrupted

//go:build linux && mine

package initproc

import (
	"os"

	"golang.org/x/sys/unix"
)

func reap(pid, options int) (status int, err error) {
	for {
		var ws unix.WaitStatus
		switch who, err := unix.Wait4(-1, &ws, options, nil); {
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case who != pid:
		case ws.Stopped():
			wakeUp(pid, ws)
		case ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case ws.Exited():
			return ws.ExitStatus(), nil
		}
	}
}
