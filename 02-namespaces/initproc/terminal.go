//go:build linux

package initproc

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Foreground reports whether we have the terminal f: it is our controlling terminal, and our
// process group is in its foreground. Then the command should get it, in its own process group
// (SysProcAttr.Foreground). Our process group has no number inside, so a shell there could not give
// the terminal back to it. restore takes it back; call it when the container has exited. Call
// Foreground outside: inside, every process group from outside has the number 0.
func Foreground(f *os.File) (yes bool, restore func()) {
	ours := unix.Getpgrp()
	fd := int(f.Fd())
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != ours {
		return false, func() {}
	}
	return true, func() {
		// SIGTTOU stops a background process that takes the terminal, unless it ignores the signal.
		// (tcsetpgrp(3))
		signal.Ignore(unix.SIGTTOU)
		defer signal.Reset(unix.SIGTTOU)
		// it can fail if the terminal was closed
		_ = unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, ours)
	}
}
