//go:build linux

package initproc

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Foreground reports whether we have the terminal f: it is our controlling terminal, and what is
// typed there is for our process group. Then the command should have it, in a process group of its
// own (SysProcAttr.Foreground): our group has no number inside, and a shell there could not give the
// terminal back to it. restore gives it back to us; call it when the container has ended. Ask
// outside: inside, every group of the outside has the number 0.
func Foreground(f *os.File) (yes bool, restore func()) {
	ours := unix.Getpgrp()
	fd := int(f.Fd())
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != ours {
		return false, func() {}
	}
	return true, func() {
		// A process in the background that takes the terminal is stopped by SIGTTOU, unless it ignores
		// the signal. (tcsetpgrp(3))
		signal.Ignore(unix.SIGTTOU)
		defer signal.Reset(unix.SIGTTOU)
		_ = unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, ours) // the terminal may have been closed
	}
}
