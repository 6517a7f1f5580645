//go:build linux

package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A message is what the child says: a part that is done, or what went wrong. It comes with our end of the terminal if
// the child has made one.
type message struct {
	Part   Part // the empty one from the parent: go on
	Error  string
	Errno  syscall.Errno // so that errors.Is knows it on this side too
	Status int           // the exit status that stands for the error
}

func (m *message) fields(w *wire) {
	w.text((*string)(&m.Part))
	w.text(&m.Error)
	number(w, &m.Errno)
	number(w, &m.Status)
}

// failure is an error of the child.
type failure struct {
	text   string
	errno  syscall.Errno
	status int
}

func (e *failure) Error() string { return e.text }

func (e *failure) Unwrap() error {
	if e.errno == 0 {
		return nil
	}
	return e.errno
}

// conversation makes the two ends of a socket that keeps packets apart (unix(7), SOCK_SEQPACKET). They stay blocking:
// a thread may well wait, and Go's poller would have to be started for anything else.
func conversation() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "child"), os.NewFile(uintptr(fds[1]), "parent"), nil
}

// packet is the largest message: a plan with a long environment is far below it. A packet must fit into the socket's buffer,
// net.core.wmem_default: 212992 bytes since ever (socket(7)).
const packet = 200 << 10

func send(fd int, v fielded, files ...*os.File) error {
	raw, err := pack(v)
	if err != nil {
		return err
	}
	if len(raw) > packet {
		return fmt.Errorf("container: command and environment of %d bytes, more than %d", len(raw), packet)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	for {
		err := unix.Sendmsg(fd, raw, rights, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return os.NewSyscallError("sendmsg", err)
		}
	}
}

// receive waits for a message, and the descriptors that come along. io.EOF: the other side is gone.
func receive(fd int, v fielded) (files []int, err error) {
	// First only how long it is (MSG_TRUNC): room for the largest would be memory that Go's heap has to grow for.
	size, _, err := recvmsg(fd, nil, nil, unix.MSG_PEEK|unix.MSG_TRUNC)
	if err != nil {
		return nil, err
	}
	raw, rights := make([]byte, size), make([]byte, unix.CmsgSpace(4*manyFiles))
	n, oobn, err := recvmsg(fd, raw, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if files, err = descriptors(rights[:oobn]); err != nil {
		return nil, err
	}
	return files, unpack(raw[:n], v)
}

// recvmsg is recvmsg(2) that is not interrupted. No message is empty, so that nothing means: the other side is gone.
func recvmsg(fd int, raw, rights []byte, flags int) (n, oobn int, err error) {
	for {
		n, oobn, _, _, err = unix.Recvmsg(fd, raw, rights, flags)
		switch {
		case err == unix.EINTR:
		case errors.Is(err, unix.ECONNRESET):
			return 0, 0, io.EOF
		case err != nil:
			return 0, 0, os.NewSyscallError("recvmsg", err)
		case n == 0:
			return 0, 0, io.EOF
		default:
			return n, oobn, nil
		}
	}
}

// manyFiles come with one message at most, says the kernel: unix(7), SCM_MAX_FD. Here they are the trees of cgroup v1 and the
// layers of a root.
const manyFiles = 253

// descriptors takes them out of a control message (unix(7), SCM_RIGHTS).
func descriptors(rights []byte) ([]int, error) {
	if len(rights) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	return unix.ParseUnixRights(&messages[0])
}
