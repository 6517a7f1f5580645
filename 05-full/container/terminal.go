//go:build linux

package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// openTerminal makes a terminal in the container's own devpts, so that it is /dev/pts/0 inside and no name of the
// host's shows: opening ptmx makes a pair, of which it is the outer end (pts(4)).
func (a *assembly) openTerminal() error {
	master, err := unix.Open("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open a terminal", Path: "/dev/pts/ptmx", Err: err}
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil { // a new one is locked
		return os.NewSyscallError("ioctl(TIOCSPTLCK)", err)
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return os.NewSyscallError("ioctl(TIOCGPTN)", err)
	}
	name := "/dev/pts/" + strconv.Itoa(n)
	slave, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	if a.Size.Col > 0 {
		if err := unix.IoctlSetWinsize(slave, unix.TIOCSWINSZ, &a.Size); err != nil {
			return os.NewSyscallError("ioctl(TIOCSWINSZ)", err)
		}
	}
	a.inner = os.NewFile(uintptr(slave), name)
	a.files[0], a.files[1], a.files[2] = a.inner, a.inner, a.inner
	a.outer = os.NewFile(uintptr(master), "ptmx")
	return nil
}

// Resize tells the container's terminal how large ours is. The kernel sends SIGWINCH inside.
func (ct *Container) Resize(from *os.File) error {
	size, err := unix.IoctlGetWinsize(int(from.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return os.NewSyscallError("ioctl(TIOCGWINSZ)", err)
	}
	return os.NewSyscallError("ioctl(TIOCSWINSZ)", unix.IoctlSetWinsize(int(ct.Terminal.Fd()), unix.TIOCSWINSZ, size))
}

// Relay joins our terminal and the container's until the payload ends, and returns what Wait returns. Ours is in raw
// mode meanwhile: every key, Ctrl-C too, goes inside as it is, and the container's terminal gives it its meaning.
func (ct *Container) Relay(in, out *os.File) (status int, err error) {
	if term.IsTerminal(int(in.Fd())) {
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return 125, errors.Join(fmt.Errorf("raw mode: %w", err), ct.destroy())
		}
		defer func() { _ = term.Restore(int(in.Fd()), before) }()
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	go func() {
		for range resized {
			_ = ct.Resize(in) // a terminal that is gone has no size
		}
	}()
	go func() {
		_, _ = io.Copy(ct.Terminal, in) // ends with the program: nobody can stop a read of a terminal
	}()
	shown := make(chan struct{})
	go func() {
		_, _ = io.Copy(out, ct.Terminal) // ends with EIO when the last process inside has closed its end
		close(shown)
	}()
	<-shown
	return ct.Wait()
}
