//go:build linux

package namespace

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

// A Program is what a new process executes.
type Program struct {
	Path  string     // its file; with File, only a name for errors
	File  *os.File   // the open file, which needs no name where it is executed (execveat(2))
	Args  []string   // Args[0] is the name by which it is called
	Env   []string   // its whole environment; of two entries for one variable the last one counts
	Files []*os.File // its file descriptors 0, 1, 2…
}

// A Birth says how a process starts, beyond its program.
type Birth struct {
	// Attr is what os/exec takes. These fields count: Cloneflags, UseCgroupFD and CgroupFD,
	// Credential, Pdeathsig, Setsid, Setpgid, Setctty and Foreground (the terminal is descriptor 0).
	Attr syscall.SysProcAttr
	// Tasks are the files through which the process joins its cgroups on cgroup v1, before it does
	// anything else. (Group.JoinFiles in package cgroup opens them.)
	Tasks []*os.File
	// Join is a process whose namespaces, those of the kinds in JoinSet, the new process enters:
	// setns(2). With PID, it is the new process's children that are inside. As long as it has all
	// capabilities of that user namespace, no process inside that lacks one can attach to it or to
	// what it executes (ptrace(2)). Give none up before prctl(PR_SET_DUMPABLE, 0): execve resets it.
	Join    *procfs.Process
	JoinSet Set
	// Inherit lets the process keep every descriptor of ours that is not close-on-exec. It is for a
	// lesson about what that leads to. Otherwise the process gets Program.Files and no other.
	Inherit bool
	// WriteMaps writes the ID maps of a process in a new user namespace, which waits for them.
	WriteMaps func(*procfs.Process) error
}

// Start starts a process, and returns once it executes the program. If that fails, the error says
// which system call failed, and there is no process.
//
// os/exec starts processes too, and is the first choice. Start is for what must happen between fork
// and exec, while the process has a single thread: joining a cgroup of version 1, which moves one
// thread and not a process, and entering a user or time namespace, which the kernel denies to a
// process with threads. And the process is held by a pidfd from its first moment.
func Start(p Program, b Birth) (*procfs.Process, error) {
	c := newChild(p, b)
	defer c.close()
	if err := c.prepare(p, b); err != nil {
		return nil, err
	}
	process, err := c.start()
	if err != nil {
		return nil, err
	}
	if b.WriteMaps != nil {
		err = b.WriteMaps(process)
	}
	if err == nil {
		err = c.release()
	}
	if err != nil {
		_ = process.Signal(unix.SIGKILL)
		_, _ = process.Wait()
		_ = process.Close()
		return nil, err
	}
	return process, nil
}

// newChild says in numbers what the child does between fork and exec.
func newChild(p Program, b Birth) *forked {
	c := &forked{path: p.Path, keep: []any{p, b}, joinSet: uintptr(b.JoinSet), exe: -1, join: -1,
		inherit: b.Inherit}
	c.args = cloneArgs{
		// All signals that we handle have their default action in the child; those that we ignore, as
		// under nohup(1), stay ignored.
		flags:      uint64(b.Attr.Cloneflags) | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND,
		exitSignal: uint64(unix.SIGCHLD),
	}
	if b.Attr.UseCgroupFD {
		c.args.flags |= unix.CLONE_INTO_CGROUP
		c.args.cgroup = uint64(b.Attr.CgroupFD)
	}
	if cred := b.Attr.Credential; cred != nil {
		c.setIDs, c.uid, c.gid = true, uintptr(cred.Uid), uintptr(cred.Gid)
		// As in os/exec: where the map denies setgroups(2), the groups stay as they are.
		allowed := b.Attr.GidMappings == nil || b.Attr.GidMappingsEnableSetgroups
		c.dropGroups = allowed && !cred.NoSetGroups
	}
	c.deathSignal = uintptr(b.Attr.Pdeathsig)
	c.session, c.terminal, c.foreground = b.Attr.Setsid, b.Attr.Setctty, b.Attr.Foreground
	c.ownGroup = b.Attr.Setpgid || b.Attr.Foreground
	return c
}

// prepare makes what the child needs besides: strings in the kernel's form, and descriptors.
func (c *forked) prepare(p Program, b Birth) error {
	if err := c.setProgram(p); err != nil {
		return err
	}
	if err := c.openPipes(len(p.Files)); err != nil {
		return err
	}
	return c.setFiles(p, b)
}

// setProgram sets what execve(2) takes.
func (c *forked) setProgram(p Program) (err error) {
	if c.name, err = syscall.BytePtrFromString(p.Path); err != nil {
		return fmt.Errorf("path %q: %w", p.Path, err)
	}
	argv, err := syscall.SlicePtrFromStrings(p.Args)
	if err != nil {
		return fmt.Errorf("arguments %q: %w", p.Args, err)
	}
	env, err := syscall.SlicePtrFromStrings(lastOfEach(p.Env))
	if err != nil {
		return fmt.Errorf("environment of %s: %w", p.Path, err)
	}
	c.argv, c.env = &argv[0], &env[0]
	return nil
}

// openPipes opens the pipe on which the child waits, the one on which it reports a failure, and the
// pidfd by which it sees that we still exist. The child's descriptors are above its files' places.
func (c *forked) openPipes(places int) (err error) {
	if c.deathSignal != 0 {
		self, err := unix.PidfdOpen(os.Getpid(), 0)
		if err != nil {
			return os.NewSyscallError("pidfd_open", err)
		}
		c.parent = pollFD{fd: int32(c.own(self)), events: unix.POLLIN}
	}
	var wait, report [2]int
	if err := unix.Pipe2(wait[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	c.waitFD, c.releaseFD = int32(c.own(wait[0])), int32(c.own(wait[1]))
	if err := unix.Pipe2(report[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	c.answerFD = c.own(report[0])
	defer unix.Close(report[1])
	c.reportFD, err = above(report[1], places)
	return err
}

// setFiles duplicates the child's files above their places 0, 1, 2…, so that putting one in its
// place overwrites no other. Not further up than needed: a larger table of descriptors costs time.
func (c *forked) setFiles(p Program, b Birth) error {
	for _, f := range p.Files {
		fd, err := above(int(f.Fd()), len(p.Files))
		if err != nil {
			return err
		}
		c.files = append(c.files, int32(c.own(int(fd))))
	}
	if p.File != nil {
		fd, err := above(int(p.File.Fd()), len(p.Files))
		if err != nil {
			return err
		}
		c.exe = int32(c.own(int(fd)))
	}
	for _, f := range b.Tasks {
		c.tasks = append(c.tasks, int32(f.Fd()))
	}
	if b.Join != nil {
		c.join = int32(b.Join.PidFD())
	}
	return nil
}

// above duplicates a descriptor to the lowest free number that is at least places.
func above(fd, places int) (int32, error) {
	far, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, places)
	return int32(far), os.NewSyscallError("fcntl(F_DUPFD_CLOEXEC)", err)
}

// own notes a descriptor that close closes.
func (c *forked) own(fd int) int {
	c.owned = append(c.owned, fd)
	return fd
}

func (c *forked) close() {
	c.closeReport()
	for _, fd := range c.owned {
		_ = unix.Close(fd)
	}
	c.owned = nil
}

// closeReport closes our copy of the child's end of the report.
func (c *forked) closeReport() {
	if c.reportFD > 0 {
		_ = unix.Close(int(c.reportFD))
		c.reportFD = 0
	}
}

// release lets the child go on and waits until it executes the program: then the pipe of the report
// is closed, because it is close-on-exec. Otherwise it says what failed.
func (c *forked) release() error {
	c.closeReport()
	if _, err := unix.Write(int(c.releaseFD), []byte{0}); err != nil {
		return os.NewSyscallError("write", err)
	}
	var f failure
	n, err := readFull(c.answerFD, f.bytes())
	switch {
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		return nil
	case f.call == callExec:
		return &os.PathError{Op: "exec", Path: c.path, Err: syscall.Errno(f.errno)}
	}
	return os.NewSyscallError(f.call.String(), syscall.Errno(f.errno))
}

// readFull reads until buf is full, or the other end is closed.
func readFull(fd int, buf []byte) (n int, err error) {
	for n < len(buf) {
		k, err := unix.Read(fd, buf[n:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, err
		case k == 0:
			return n, nil
		default:
			n += k
		}
	}
	return n, nil
}
