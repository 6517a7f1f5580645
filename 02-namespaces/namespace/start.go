//go:build linux

package namespace

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

// A Program describes the program that a new process executes.
type Program struct {
	Path  string     // the path of its file; with File, only a name for errors
	File  *os.File   // the open file, which needs no path in the new process (execveat(2))
	Args  []string   // its arguments; Args[0] is its name
	Env   []string   // its whole environment; of two entries for one variable, the last one counts
	Files []*os.File // its file descriptors 0, 1, 2…
}

// A Birth describes how a process starts, apart from its program.
type Birth struct {
	// Attr has the form that os/exec uses. These fields count: Cloneflags, UseCgroupFD and
	// CgroupFD, Credential, Pdeathsig, Setsid, Setpgid, Setctty and Foreground (the terminal is
	// file descriptor 0).
	Attr syscall.SysProcAttr
	// Tasks are the files through which the process joins its cgroups on cgroup v1, before it does
	// anything else. Group.JoinFiles in package cgroup opens them.
	Tasks []*os.File
	// Join is a process. The new process joins its namespaces of the kinds in JoinSet. (setns(2))
	// With PID, only the children of the new process are in the PID namespace. As long as the new
	// process has all capabilities of that user namespace, no process inside that lacks one can
	// attach to it or to the program that it execs. (ptrace(2)) Drop none before
	// prctl(PR_SET_DUMPABLE, 0), which execve resets.
	Join    *procfs.Process
	JoinSet Set
	// Inherit lets the process keep each of our file descriptors that is not close-on-exec. It is
	// for a lesson about the consequences. Otherwise the process gets Program.Files and no others.
	Inherit bool
	// WriteMaps writes the ID maps of a process in a new user namespace, which waits for them.
	WriteMaps func(*procfs.Process) error
}

// Start starts a process, and returns once it has exec'd the program. If that fails, the error
// names the system call, and no process is left.
//
// os/exec starts processes too, and is the first choice. Start is for calls that must happen
// between fork and exec, while the process has a single thread: joining a cgroup on v1, which moves
// one thread and not a process, and joining a user or time namespace, which fails for a process
// with threads. And a pidfd holds the process from its creation.
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

// newChild describes in plain numbers what the child does between fork and exec.
func newChild(p Program, b Birth) *forked {
	c := &forked{path: p.Path, keep: []any{p, b}, joinSet: uintptr(b.JoinSet), exe: -1, join: -1,
		inherit: b.Inherit}
	c.args = cloneArgs{
		// All signals that we handle get their default action in the child. Those that we ignore,
		// as under nohup(1), stay ignored.
		flags:      uint64(b.Attr.Cloneflags) | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND,
		exitSignal: uint64(unix.SIGCHLD),
	}
	if b.Attr.UseCgroupFD {
		c.args.flags |= unix.CLONE_INTO_CGROUP
		c.args.cgroup = uint64(b.Attr.CgroupFD)
	}
	if cred := b.Attr.Credential; cred != nil {
		c.setIDs, c.uid, c.gid = true, uintptr(cred.Uid), uintptr(cred.Gid)
		// As in os/exec: if the map denies setgroups(2), the groups are unchanged.
		allowed := b.Attr.GidMappings == nil || b.Attr.GidMappingsEnableSetgroups
		c.dropGroups = allowed && !cred.NoSetGroups
	}
	c.deathSignal = uintptr(b.Attr.Pdeathsig)
	c.session, c.terminal, c.foreground = b.Attr.Setsid, b.Attr.Setctty, b.Attr.Foreground
	c.ownGroup = b.Attr.Setpgid || b.Attr.Foreground
	return c
}

// prepare prepares the rest of what the child needs: strings in the form of the kernel, and file
// descriptors.
func (c *forked) prepare(p Program, b Birth) error {
	if err := c.setProgram(p); err != nil {
		return err
	}
	if err := c.openPipes(len(p.Files)); err != nil {
		return err
	}
	return c.setFiles(p, b)
}

// setProgram sets the arguments of execve(2).
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
// pidfd through which it sees that we still run. The child's file descriptors are above those of
// its files.
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

// setFiles duplicates the child's files above their final numbers 0, 1, 2…, so that moving one into
// place overwrites no other. It goes no higher than needed: a larger file descriptor table takes
// longer.
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

// above duplicates a file descriptor to the lowest free number that is at least places.
func above(fd, places int) (int32, error) {
	far, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, places)
	return int32(far), os.NewSyscallError("fcntl(F_DUPFD_CLOEXEC)", err)
}

// own records a file descriptor for close.
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

// closeReport closes our copy of the child's end of the report pipe.
func (c *forked) closeReport() {
	if c.reportFD > 0 {
		_ = unix.Close(int(c.reportFD))
		c.reportFD = 0
	}
}

// release lets the child continue and waits until it execs the program, which closes the report
// pipe, because the pipe is close-on-exec. Otherwise release returns what failed.
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
