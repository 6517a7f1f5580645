//go:build linux

package namespace

import (
	"math"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

// A Go program cannot fork and continue: the copy has only the thread that forked, and Go's
// scheduler and garbage collector need the others. So no ordinary Go code runs in the copy. It
// makes raw system calls with what newChild has prepared, and execs a program, as the children of
// package syscall do. Its functions are marked:
//
//   - go:nosplit: without the check that can call the runtime to grow the stack
//   - go:norace, go:nocheckptr: without calls into the race detector and the pointer checks
//
// They allocate nothing, store no pointer, and call only each other and raw system calls. All
// signals are blocked, because a handler would be Go code.

// forked holds what the child needs between fork and exec. It is on the heap, so the copy has it,
// too.
type forked struct {
	args  cloneArgs
	pidfd int32 // from the kernel, for us

	tasks              []int32
	join               int32 // a pidfd; -1 if the child joins no namespace
	joinSet            uintptr
	waitFD, releaseFD  int32 // the pipe on which the child waits for its ID maps
	setIDs, dropGroups bool
	uid, gid           uintptr

	deathSignal uintptr
	parent      pollFD // our pidfd, readable once we have exited
	noTime      unix.Timespec

	session, ownGroup, terminal, foreground bool
	group                                   int32

	files     []int32
	inherit   bool // leave file descriptors open that are not close-on-exec
	mask      unix.Sigset_t
	exe       int32 // the program's file; -1 to execute it by its name
	name      *byte
	argv, env **byte
	none      byte // an empty path
	reportFD  int32
	failed    failure
	buf       [1]byte
	path      string // for us: the rest of this struct
	answerFD  int
	owned     []int
	keep      []any
}

// cloneArgs is struct clone_args of clone3(2). The fields without a name stay zero.
type cloneArgs struct {
	flags, pidfd, _, _, exitSignal, _, _, _, _, _, cgroup uint64
}

// pollFD is struct pollfd of poll(2).
type pollFD struct {
	fd              int32
	events, revents int16
}

// A failure is the report of the child: the call that failed, and its errno.
type failure struct {
	call  call
	errno uint32
}

func (f *failure) bytes() []byte { return (*[8]byte)(unsafe.Pointer(f))[:] }

// A call is a system call of the child that can fail.
type call uint32

const (
	callTasks call = iota
	callSetns
	callWait
	callSetgroups
	callSetgid
	callSetuid
	callDeathSignal
	callParent
	callSetsid
	callDup
	callCloseRange
	callTerminal
	callSetpgid
	callForeground
	callExec
)

func (c call) String() string {
	return [...]string{"write(tasks)", "setns", "read(the pipe for the ID maps)", "setgroups", "setgid",
		"setuid", "prctl(PR_SET_PDEATHSIG)", "poll(the parent)", "setsid", "dup3", "close_range", "ioctl(TIOCSCTTY)",
		"setpgid", "ioctl(TIOCSPGRP)", "exec"}[c]
}

var everySignal = unix.Sigset_t{Val: [16]uint64{math.MaxUint64}}

// start forks with all signals blocked, and holds the child. While it has the lock, no other
// goroutine opens a file descriptor without close-on-exec.
func (c *forked) start() (*procfs.Process, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c.args.pidfd = uint64(uintptr(unsafe.Pointer(&c.pidfd)))
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &everySignal, &c.mask); err != nil {
		return nil, os.NewSyscallError("sigprocmask", err)
	}
	syscall.ForkLock.Lock()
	pid, errno := fork(c)
	syscall.ForkLock.Unlock()
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &c.mask, nil)
	runtime.KeepAlive(c)
	if errno != 0 {
		return nil, os.NewSyscallError("clone3", errno)
	}
	return procfs.Hold(pid, int(c.pidfd)), nil
}

// fork creates the copy, which runs forked.run and never returns. (clone3(2))
//
//go:nosplit
//go:noinline
//go:norace
//go:nocheckptr
func fork(c *forked) (pid int, errno syscall.Errno) {
	args, size := uintptr(unsafe.Pointer(&c.args)), unsafe.Sizeof(c.args)
	r, _, errno := syscall.RawSyscall(unix.SYS_CLONE3, args, size, 0)
	if errno != 0 || r != 0 {
		return int(r), errno
	}
	c.run()
	c.report()
	return 0, 0
}

// report reports what failed, and exits.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) report() {
	failed := uintptr(unsafe.Pointer(&c.failed))
	syscall.RawSyscall(unix.SYS_WRITE, uintptr(c.reportFD), failed, unsafe.Sizeof(c.failed))
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}

// do makes a system call, and records its errno.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) do(name call, nr, a1, a2, a3 uintptr) (ok bool) {
	_, _, errno := syscall.RawSyscall(nr, a1, a2, a3)
	c.failed.call, c.failed.errno = name, uint32(errno)
	return errno == 0
}

// run makes the child's calls from fork to exec. It returns if a call fails.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) run() {
	if c.joinCgroups() && c.enter() && c.awaitMaps() && c.becomeUser() && c.dieWithParent() &&
		c.takeTerminal() && c.placeFiles() && c.closeOthers() {
		c.execute()
	}
}

// joinCgroups writes "0", which stands for the writing thread, to the tasks file of each cgroup.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) joinCgroups() bool {
	c.buf[0] = '0'
	for _, fd := range c.tasks {
		if !c.do(callTasks, unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&c.buf)), 1) {
			return false
		}
	}
	return true
}

// enter joins the namespaces of another process, all at once. (setns(2))
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) enter() bool {
	return c.join < 0 || c.do(callSetns, unix.SYS_SETNS, uintptr(c.join), c.joinSet, 0)
}

// awaitMaps waits until the ID maps are written. End of file instead of a byte means that the
// parent has exited: no other process has the other end, once we have closed our copy.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) awaitMaps() bool {
	syscall.RawSyscall(unix.SYS_CLOSE, uintptr(c.releaseFD), 0, 0)
	n, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(c.waitFD), uintptr(unsafe.Pointer(&c.buf)), 1)
	c.failed.call, c.failed.errno = callWait, uint32(errno)
	return n == 1
}

// becomeUser sets the group and user IDs. It sets them for root in a new user namespace, too: a
// process whose UID the map does not make 0 loses all capabilities at execve. (capabilities(7))
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) becomeUser() bool {
	if !c.setIDs {
		return true
	}
	return (!c.dropGroups || c.do(callSetgroups, unix.SYS_SETGROUPS, 0, 0, 0)) &&
		c.do(callSetgid, unix.SYS_SETGID, c.gid, 0, 0) &&
		c.do(callSetuid, unix.SYS_SETUID, c.uid, 0, 0)
}

// dieWithParent requests a signal for when the parent's thread exits (PR_SET_PDEATHSIG). setuid(2)
// clears the request, so it comes later. If the parent has already exited, the signal never
// arrives, but its pidfd is readable. (getppid(2) does not help: in a new PID namespace it returns
// 0.)
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) dieWithParent() bool {
	if c.deathSignal == 0 {
		return true
	}
	if !c.do(callDeathSignal, unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, c.deathSignal, 0) {
		return false
	}
	parent, noTime := uintptr(unsafe.Pointer(&c.parent)), uintptr(unsafe.Pointer(&c.noTime))
	n, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, parent, 1, noTime, 0, 0, 0)
	c.failed.call, c.failed.errno = callParent, uint32(errno)
	return errno == 0 && n == 0
}

// takeTerminal makes the process a session leader or a process group leader, which can be in the
// foreground of the terminal. SIGTTOU is blocked, so that taking the terminal does not stop the
// process. (tcsetpgrp(3))
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) takeTerminal() bool {
	if c.session && !c.do(callSetsid, unix.SYS_SETSID, 0, 0, 0) {
		return false
	}
	if c.ownGroup && !c.do(callSetpgid, unix.SYS_SETPGID, 0, 0, 0) {
		return false
	}
	if !c.terminal && !c.foreground {
		return true
	}
	terminal := uintptr(c.files[0])
	if c.terminal && !c.do(callTerminal, unix.SYS_IOCTL, terminal, unix.TIOCSCTTY, 0) {
		return false
	}
	if !c.foreground {
		return true
	}
	pid, _, _ := syscall.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
	c.group = int32(pid)
	return c.do(callForeground, unix.SYS_IOCTL, terminal, unix.TIOCSPGRP, uintptr(unsafe.Pointer(&c.group)))
}

// placeFiles gives the files the numbers 0, 1, 2…. They stay open at execve.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) placeFiles() bool {
	for i, fd := range c.files {
		if !c.do(callDup, unix.SYS_DUP3, uintptr(fd), uintptr(i), 0) {
			return false
		}
	}
	return true
}

// closeOthers closes all file descriptors except the program's, so that the program inherits none
// that lacks close-on-exec by mistake (CVE-2024-21626). If the program is executed by its name,
// they are closed before the kernel resolves the name, which could lead through /proc/self/fd.
// (close_range(2))
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) closeOthers() bool {
	first := uintptr(len(c.files))
	switch {
	case c.inherit:
		return true
	case c.exe >= 0:
		return c.do(callCloseRange, unix.SYS_CLOSE_RANGE, first, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
	}
	report := uintptr(c.reportFD)
	return (report == first || c.do(callCloseRange, unix.SYS_CLOSE_RANGE, first, report-1, 0)) &&
		c.do(callCloseRange, unix.SYS_CLOSE_RANGE, report+1, math.MaxInt32, 0)
}

// execute unblocks the signals and execs the program. (execve(2), execveat(2))
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *forked) execute() {
	mask := uintptr(unsafe.Pointer(&c.mask))
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, mask, 0, 8, 0, 0)
	argv, env := uintptr(unsafe.Pointer(c.argv)), uintptr(unsafe.Pointer(c.env))
	if c.exe < 0 {
		c.do(callExec, unix.SYS_EXECVE, uintptr(unsafe.Pointer(c.name)), argv, env)
		return
	}
	none := uintptr(unsafe.Pointer(&c.none))
	_, _, errno := syscall.RawSyscall6(unix.SYS_EXECVEAT, uintptr(c.exe), none, argv, env, unix.AT_EMPTY_PATH, 0)
	c.failed.call, c.failed.errno = callExec, uint32(errno)
}
