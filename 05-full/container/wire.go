//go:build linux

package container

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A conn is one end of the connection between Start and PID 1. It carries JSON values, each after
// its length, with file descriptors as ancillary data (unix(7), SCM_RIGHTS).
type conn struct{ fd int }

// pair creates both ends.
func pair() (ours conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return conn{}, nil, os.NewSyscallError("socketpair", err)
	}
	return conn{fds[0]}, os.NewFile(uintptr(fds[1]), "conn"), nil
}

// close closes our end, once.
func (c *conn) close() {
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
	}
	c.fd = -1
}

// maxFiles is the maximum number of file descriptors in a message: SCM_MAX_FD of the kernel.
const maxFiles = 253

// send sends v, and copies of the files.
func (c conn) send(v any, files ...*os.File) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	message := append(binary.LittleEndian.AppendUint32(nil, uint32(len(raw))), raw...)
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	for len(message) > 0 {
		n, err := unix.SendmsgN(c.fd, message, rights, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("sendmsg", err)
		}
		message, rights = message[n:], nil
	}
	return nil
}

// receive waits for a value and stores it in v. It returns io.EOF if the other end is closed.
func (c conn) receive(v any) (files []*os.File, err error) {
	var size [4]byte
	rights := make([]byte, unix.CmsgSpace(maxFiles*4))
	if files, err = c.read(size[:], rights); err != nil {
		return nil, err
	}
	raw := make([]byte, binary.LittleEndian.Uint32(size[:]))
	if _, err := c.read(raw, nil); err != nil {
		return files, err
	}
	return files, json.Unmarshal(raw, v)
}

// read fills buf. File descriptors arrive with the first byte of a message.
func (c conn) read(buf, rights []byte) (files []*os.File, err error) {
	for len(buf) > 0 {
		n, oobn, _, _, err := unix.Recvmsg(c.fd, buf, rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECONNRESET || err == nil && n == 0:
			return files, io.EOF
		case err != nil:
			return files, os.NewSyscallError("recvmsg", err)
		}
		files = append(files, parseRights(rights[:oobn])...)
		buf, rights = buf[n:], nil
	}
	return files, nil
}

func parseRights(raw []byte) (files []*os.File) {
	messages, err := unix.ParseSocketControlMessage(raw)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		fds, _ := unix.ParseUnixRights(&m)
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files
}

// An answer is a message from PID 1 to Start: a part is done, the command runs, or an error.
type answer struct {
	Done    Part          `json:",omitempty"`
	Started bool          `json:",omitempty"`
	Error   string        `json:",omitempty"`
	Errno   syscall.Errno `json:",omitempty"`
	Status  int           `json:",omitempty"` // the exit status that stands for the error
}

// failed returns the answer for an error. It includes the errno, so that errors.Is works in the
// parent.
func failed(err error, status int) answer {
	a := answer{Error: err.Error(), Status: status}
	errors.As(err, &a.Errno)
	return a
}

// err returns the error in an answer.
func (a answer) err() error {
	if a.Error == "" {
		return nil
	}
	return &failure{a.Error, a.Errno, a.Status}
}

// A failure is an error of PID 1.
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
