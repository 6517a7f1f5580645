//go:build linux

package namespace

import (
	"os"
	"reflect"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ForkExec is syscall.ForkExec for a thread that has unshared the time namespace. Go's own borrows our memory until the
// new program runs (CLONE_VM|CLONE_VFORK), which is quick; but before Linux 6.3 the kernel refuses that with EINVAL to
// a child that would be in another time namespace, because the clocks are part of what lies in memory (vdso(7)).
// So on those kernels the child gets a copy of our memory: fork(2).
func ForkExec(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	pid, err = syscall.ForkExec(path, argv, attr)
	if err != syscall.EINVAL || !simple(attr.Sys) {
		return pid, err
	}
	return forkCopy(path, argv, attr)
}

// simple tells whether forkCopy can do all that is asked for.
func simple(a *syscall.SysProcAttr) bool {
	if a == nil {
		return true
	}
	rest := *a
	rest.Setsid, rest.Setctty, rest.Foreground, rest.Pdeathsig = false, false, false, 0
	return reflect.ValueOf(rest).IsZero()
}

// errands is all that the child does before it executes the program, prepared beforehand: between fork and execve it must
// not allocate, nor enter Go's scheduler, because of all our threads it has only the one that forked.
type errands struct {
	path        *byte
	argv, envv  **byte
	files       []int // duplicates, further up, of the descriptors 0, 1, 2…, so that putting one in place overwrites no other
	session     bool  // a session of its own: setsid(2)
	terminal    bool  // 0 becomes its controlling terminal
	group       bool  // a process group of its own, which gets the terminal 0
	mask        unix.Sigset_t
	defaultSig  [32]byte // a struct sigaction that says SIG_DFL
	deathSignal uintptr  // what it gets when its parent dies; 0 is nothing
	report      int      // the pipe on which a failure is told
	pgid        int32
	errno       syscall.Errno

	keep []any // what path, argv and envv point to
}

// prepare makes the errands of a child. done closes what was opened for them here; the child has its own copies.
func prepare(path string, argv []string, attr *syscall.ProcAttr) (e *errands, pipe int, done func(), err error) {
	e = &errands{}
	if e.path, err = syscall.BytePtrFromString(path); err != nil {
		return nil, 0, nil, err
	}
	args, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return nil, 0, nil, err
	}
	env, err := syscall.SlicePtrFromStrings(attr.Env)
	if err != nil {
		return nil, 0, nil, err
	}
	e.argv, e.envv, e.keep = &args[0], &env[0], []any{args, env}
	if attr.Sys != nil {
		e.session, e.terminal, e.group = attr.Sys.Setsid, attr.Sys.Setctty, attr.Sys.Foreground
		e.deathSignal = uintptr(attr.Sys.Pdeathsig)
	}
	var opened []int
	done = func() {
		for _, fd := range opened {
			unix.Close(fd)
		}
		opened = nil
	}
	for _, fd := range attr.Files {
		// Not further up than needed: to let the table of descriptors grow takes a process with threads milliseconds.
		far, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, len(attr.Files))
		if err != nil {
			done()
			return nil, 0, nil, os.NewSyscallError("fcntl(F_DUPFD_CLOEXEC)", err)
		}
		opened = append(opened, far)
		e.files = append(e.files, far)
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		done()
		return nil, 0, nil, os.NewSyscallError("pipe2", err)
	}
	e.report = p[1]
	opened = append(opened, p[1])
	return e, p[0], done, nil
}

// quietly forks with all signals blocked: one that reached the child before execve would run Go's handler in half a Go
// program. And nobody opens a descriptor meanwhile that the child would keep open.
func (e *errands) quietly(fork func() (pid int, errno syscall.Errno)) (pid int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &everySignal, &e.mask); err != nil {
		return 0, os.NewSyscallError("sigprocmask", err)
	}
	syscall.ForkLock.Lock()
	pid, errno := fork()
	syscall.ForkLock.Unlock()
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &e.mask, nil)
	if errno != 0 {
		return 0, errno
	}
	return pid, nil
}

// executed waits until the child executes its program. The pipe closes at execve; if there is something in it, that is
// why execve did not happen, and the child is dead.
func executed(pid, pipe int) error {
	var why [8]byte
	n, err := unix.Read(pipe, why[:])
	for err == unix.EINTR {
		n, err = unix.Read(pipe, why[:])
	}
	if n == len(why) {
		_, _ = unix.Wait4(pid, nil, 0, nil)
		return *(*syscall.Errno)(unsafe.Pointer(&why))
	}
	return nil
}

func forkCopy(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	e, pipe, done, err := prepare(path, argv, attr)
	if err != nil {
		return 0, err
	}
	defer unix.Close(pipe)
	pid, err = e.quietly(func() (int, syscall.Errno) { return fork(e) })
	done()
	runtime.KeepAlive(e)
	if err != nil {
		return 0, err
	}
	if err := executed(pid, pipe); err != nil {
		return 0, err // there is no such process any more
	}
	return pid, nil
}

// fork forks, and the copy runs its errands.
//
//go:noinline
//go:norace
//go:nocheckptr
func fork(e *errands) (pid int, errno syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || r != 0 {
		return int(r), errno
	}
	run(e)
	return 0, 0 // never
}

// run is the child's way from its birth to its program. Nothing but raw system calls in it, and no growth of the stack.
//
//go:nosplit
//go:norace
//go:nocheckptr
func run(e *errands) {
	for sig := uintptr(1); sig <= 64; sig++ { // SIGKILL and SIGSTOP refuse, which does not matter
		syscall.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&e.defaultSig)), 0, 8, 0, 0)
	}
	if e.deathSignal != 0 {
		if _, _, e.errno = syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, e.deathSignal, 0); e.errno != 0 {
			goto failed
		}
	}
	if e.session {
		if _, _, e.errno = syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0); e.errno != 0 {
			goto failed
		}
	}
	for i := 0; i < len(e.files); i++ {
		if _, _, e.errno = syscall.RawSyscall(unix.SYS_DUP3, uintptr(e.files[i]), uintptr(i), 0); e.errno != 0 {
			goto failed
		}
	}
	if e.terminal {
		if _, _, e.errno = syscall.RawSyscall(unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0); e.errno != 0 {
			goto failed
		}
	}
	if e.group {
		if _, _, e.errno = syscall.RawSyscall(unix.SYS_SETPGID, 0, 0, 0); e.errno != 0 {
			goto failed
		}
		pid, _, _ := syscall.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
		e.pgid = int32(pid)
		// SIGTTOU is blocked with all the others, so taking the terminal does not stop us: tcsetpgrp(3).
		if _, _, e.errno = syscall.RawSyscall(unix.SYS_IOCTL, 0, unix.TIOCSPGRP, uintptr(unsafe.Pointer(&e.pgid))); e.errno != 0 {
			goto failed
		}
	}
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&e.mask)), 0, 8, 0, 0)
	_, _, e.errno = syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(e.path)), uintptr(unsafe.Pointer(e.argv)), uintptr(unsafe.Pointer(e.envv)))
failed:
	syscall.RawSyscall(unix.SYS_WRITE, uintptr(e.report), uintptr(unsafe.Pointer(&e.errno)), 8)
	for {
		syscall.RawSyscall(unix.SYS_EXIT, 1, 0, 0)
	}
}
