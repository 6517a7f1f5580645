//go:build linux

package procfs

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A Process is a process held by a pidfd, which never refers to another one, whatever becomes of the
// PID. (pidfd_open(2)) Its files in /proc are read through a directory that was verified to be its own.
type Process struct {
	PID int // in our PID namespace

	pidfd int

	mu     sync.Mutex
	closed bool
	dir    *os.File // /proc/PID, once it was needed
}

// Open holds a process by its PID. Use it for a child that was not waited for yet: the PID of any
// other process may be given away before the call.
func Open(pid int) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, os.NewSyscallError("pidfd_open", err))
	}
	return Hold(pid, fd), nil
}

// Hold makes a Process of a pidfd, which belongs to it from then on.
func Hold(pid, pidfd int) *Process {
	return &Process{PID: pid, pidfd: pidfd}
}

// directory opens /proc/PID. The number is the one that this /proc uses for the process: the kernel
// says it in the pidfd's fdinfo. (proc_pid_fdinfo(5))
func (p *Process) directory() (*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir != nil {
		return p.dir, nil
	}
	if p.closed {
		return nil, fmt.Errorf("process %d: %w", p.PID, os.ErrClosed)
	}
	info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(p.PidFD()))
	if err != nil {
		return nil, err
	}
	number := field(string(info), "Pid")
	if number == "" || number == "-1" || number == "0" {
		return nil, fmt.Errorf("/proc does not show process %d (Pid: %s in its pidfd's fdinfo)", p.PID, number)
	}
	fd, err := unix.Open("/proc/"+number, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/proc/" + number, Err: err}
	}
	dir := os.NewFile(uintptr(fd), "/proc/"+number)
	// The process still exists now that its directory is open. So the number was not given away.
	if err := unix.PidfdSendSignal(p.PidFD(), 0, nil, 0); err != nil && err != unix.EPERM {
		_ = dir.Close()
		return nil, fmt.Errorf("process %d: %w", p.PID, os.NewSyscallError("pidfd_send_signal", err))
	}
	p.dir = dir
	return dir, nil
}

// PidFD is the pidfd, for setns(2), waitid(2) and the like. It is open until Close.
func (p *Process) PidFD() int { return p.pidfd }

// Close closes the descriptors. It does not end the process. It may be called twice, and beside Signal.
func (p *Process) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	if p.dir != nil {
		_ = p.dir.Close()
	}
	return os.NewSyscallError("close", unix.Close(p.pidfd))
}

// Signal sends a signal. ESRCH means that the process exited and was waited for, or p is closed.
// (pidfd_send_signal(2))
func (p *Process) Signal(s unix.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return os.NewSyscallError("pidfd_send_signal", unix.ESRCH)
	}
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(p.PidFD(), s, nil, 0))
}

// Open opens a file of /proc/PID, such as "status" or "ns/net".
func (p *Process) Open(name string, flags int) (*os.File, error) {
	dir, err := p.directory()
	if err != nil {
		return nil, err
	}
	path := dir.Name() + "/" + name
	fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Read reads a file of /proc/PID.
func (p *Process) Read(name string) (string, error) {
	f, err := p.Open(name, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	return string(raw), err
}

// Write writes data to a file of /proc/PID in one write(2), as the kernel wants it.
func (p *Process) Write(name, data string) error {
	f, err := p.Open(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := unix.Write(int(f.Fd()), []byte(data)); err != nil {
		return fmt.Errorf("write %q to %s: %w", data, f.Name(), err)
	}
	return nil
}

// Namespace opens the process's namespace of a kind, named as in /proc/PID/ns. (namespaces(7))
func (p *Process) Namespace(kind string) (*os.File, error) {
	return p.Open("ns/"+kind, unix.O_RDONLY)
}

// Wait waits for a child to exit and returns how it did. Call it once: afterwards the PID may be given
// away. (wait4(2))
func (p *Process) Wait() (status unix.WaitStatus, err error) {
	for {
		if _, err = unix.Wait4(p.PID, &status, 0, nil); err != unix.EINTR {
			return status, os.NewSyscallError("wait4", err)
		}
	}
}

// field is the value of a line "NAME: value" of a file in /proc; "" if there is no such line.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
