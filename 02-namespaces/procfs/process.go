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

// A Process is a process held by a pidfd. The pidfd never refers to another process, even if the
// PID is reused. (pidfd_open(2)) The files of the process in /proc are read via a directory that
// was verified to belong to it.
type Process struct {
	PID int // in our PID namespace

	pidfd int

	mu     sync.Mutex
	closed bool
	dir    *os.File // /proc/PID, opened at first use
}

// Open holds a process by its PID. Use it for a child that was not reaped yet: the PID of any other
// process can be reused before the call.
func Open(pid int) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, os.NewSyscallError("pidfd_open", err))
	}
	return Hold(pid, fd), nil
}

// Hold returns a Process for a pidfd, and owns the pidfd from then on.
func Hold(pid, pidfd int) *Process {
	return &Process{PID: pid, pidfd: pidfd}
}

// directory opens /proc/PID. The PID is the one that this /proc uses for the process: the kernel
// shows it in the pidfd's fdinfo. (proc_pid_fdinfo(5))
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
	// The process still exists now that its directory is open. So its PID was not reused.
	if err := unix.PidfdSendSignal(p.PidFD(), 0, nil, 0); err != nil && err != unix.EPERM {
		_ = dir.Close()
		return nil, fmt.Errorf("process %d: %w", p.PID, os.NewSyscallError("pidfd_send_signal", err))
	}
	p.dir = dir
	return dir, nil
}

// PidFD returns the pidfd, for setns(2), waitid(2) and similar calls. It is open until Close.
func (p *Process) PidFD() int { return p.pidfd }

// Close closes the file descriptors. It does not terminate the process. It can be called twice, and
// at the same time as Signal.
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

// Signal sends a signal. ESRCH means that the process was reaped, or that p is closed.
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

// Write writes data to a file of /proc/PID in one write(2), as the kernel requires.
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

// Namespace opens the namespace of the process of one kind, named as in /proc/PID/ns.
// (namespaces(7))
func (p *Process) Namespace(kind string) (*os.File, error) {
	return p.Open("ns/"+kind, unix.O_RDONLY)
}

// Wait waits for a child to exit and returns its wait status. Call it once: afterwards the PID can
// be reused. (wait4(2))
func (p *Process) Wait() (status unix.WaitStatus, err error) {
	for {
		if _, err = unix.Wait4(p.PID, &status, 0, nil); err != unix.EINTR {
			return status, os.NewSyscallError("wait4", err)
		}
	}
}

// field returns the value of a line "NAME: value" of a file in /proc, or "" if there is no such
// line.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
