//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// openTerminal creates a terminal in the container's own devpts. So it is /dev/pts/0 inside, and no
// host path is visible. Opening ptmx creates a pair and returns its outer end (pts(4)).
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

// Resize sets the container's terminal to the size of ours. The kernel sends SIGWINCH inside.
func (ct *Container) Resize(from *os.File) error {
	size, err := unix.IoctlGetWinsize(int(from.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return os.NewSyscallError("ioctl(TIOCGWINSZ)", err)
	}
	return os.NewSyscallError("ioctl(TIOCSWINSZ)", unix.IoctlSetWinsize(int(ct.Terminal.Fd()), unix.TIOCSWINSZ, size))
}

// Relay copies between our terminal and the container's until the command exits, and returns the
// result of Wait. Ours is in raw mode meanwhile: every key, Ctrl-C too, goes inside unchanged, and
// the container's terminal interprets it.
//
// When ours is closed, or no process inside has the container's terminal open, the container's is
// hung up. Its foreground process group gets SIGHUP, and later reads and writes fail with EIO.
// (pty(7))
func (ct *Container) Relay(in, out *os.File) (status int, err error) {
	if term.IsTerminal(int(in.Fd())) {
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return 125, errors.Join(fmt.Errorf("raw mode: %w", err), ct.destroy())
		}
		defer func() { _ = term.Restore(int(in.Fd()), before) }()
	}
	if err := ct.relay(in, out); err != nil {
		return 125, errors.Join(err, ct.destroy())
	}
	return ct.Wait()
}

// relay is Relay until one of the terminals is closed.
func (ct *Container) relay(in, out *os.File) error {
	stopped, stop, err := os.Pipe()
	if err != nil {
		return err
	}
	ours := newSide(ct.Terminal, stopped)
	// Nothing may block: neither end can be closed while a call of ours uses it.
	if err := unix.SetNonblock(int(ours.fd), true); err != nil {
		return os.NewSyscallError("fcntl(O_NONBLOCK)", err)
	}
	hangUp := sync.OnceFunc(func() { _ = stop.Close() })
	typed, terminal := newSide(in, stopped), term.IsTerminal(int(in.Fd()))
	go func() {
		typed.copyTo(ours)
		if terminal { // the end of a file or a pipe is only the end of what is typed
			hangUp()
		}
	}()
	stopSizes := ct.followSize(in)
	ours.copyTo(newSide(out, stopped))
	hangUp()
	stopSizes()
	return ct.Terminal.Close()
}

// followSize keeps the container's terminal as large as ours.
func (ct *Container) followSize(from *os.File) (stop func()) {
	resized, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(resized, syscall.SIGWINCH)
	go func() {
		defer close(done)
		for range resized {
			_ = ct.Resize(from) // a terminal that is gone has no size
		}
	}()
	return func() {
		signal.Stop(resized)
		close(resized)
		<-done
	}
}

// A side is a file at one end of a relay.
type side struct {
	*os.File
	fd      int32
	stopped int32 // a pipe whose other end is closed when the relay is over
	keep    *os.File
}

func newSide(f, stopped *os.File) side {
	return side{File: f, fd: int32(f.Fd()), stopped: int32(stopped.Fd()), keep: stopped}
}

// copyTo copies until an end is closed or the relay is over. A file can become non-blocking at any
// time, because another process that shares it sets O_NONBLOCK: then EAGAIN is no error.
func (s side) copyTo(to side) {
	buf := make([]byte, 32<<10)
	for s.ready(unix.POLLIN) {
		n, err := s.Read(buf)
		if n > 0 && !to.write(buf[:n]) || err != nil && !errors.Is(err, unix.EAGAIN) {
			return
		}
	}
}

func (s side) write(text []byte) (ok bool) {
	for len(text) > 0 {
		n, err := s.Write(text)
		text = text[n:]
		if err != nil && !(errors.Is(err, unix.EAGAIN) && s.ready(unix.POLLOUT)) {
			return false
		}
	}
	return true
}

// ready waits until something can be read or written, or reports that the relay is over. (poll(2))
func (s side) ready(events int16) bool {
	fds := []unix.PollFd{{Fd: s.fd, Events: events}, {Fd: s.stopped, Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		if err != unix.EINTR {
			return err == nil && fds[1].Revents == 0
		}
	}
}
