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

// errands is all that the copy needs, prepared beforehand: between fork and execve it must not allocate, nor enter
// Go's scheduler, because of all our threads it has only the one that forked.
type errands struct {
	path        *byte
	argv, envv  **byte
	files       []int // duplicates far up of the descriptors 0, 1, 2…, so that putting one in place overwrites no other
	session     bool  // setsid, and 0 as the controlling terminal
	group       bool  // a process group of its own, which gets the terminal 0
	mask        unix.Sigset_t
	defaultSig  [32]byte // a struct sigaction that says SIG_DFL
	deathSignal uintptr  // what it gets when its parent dies; 0 is nothing
	report      int      // the pipe on which a failure is told
	pgid        int32
}

func forkCopy(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	var e errands
	if e.path, err = syscall.BytePtrFromString(path); err != nil {
		return 0, err
	}
	args, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return 0, err
	}
	env, err := syscall.SlicePtrFromStrings(attr.Env)
	if err != nil {
		return 0, err
	}
	e.argv, e.envv = &args[0], &env[0]
	if attr.Sys != nil {
		e.session, e.group, e.deathSignal = attr.Sys.Setctty, attr.Sys.Foreground, uintptr(attr.Sys.Pdeathsig)
	}
	const farUp = 1 << 8
	for _, fd := range attr.Files {
		far, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, farUp)
		if err != nil {
			return 0, os.NewSyscallError("fcntl(F_DUPFD_CLOEXEC)", err)
		}
		defer unix.Close(far)
		e.files = append(e.files, far)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(pipe[0])
	e.report = pipe[1]

	// A signal that reached the copy before execve would run Go's handler in half a Go program.
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &e.mask); err != nil {
		unix.Close(pipe[1])
		return 0, os.NewSyscallError("sigprocmask", err)
	}
	syscall.ForkLock.Lock() // nobody opens a descriptor meanwhile that the copy would keep open
	pid, errno := fork(&e)
	syscall.ForkLock.Unlock()
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &e.mask, nil)
	unix.Close(pipe[1])
	runtime.KeepAlive(args)
	runtime.KeepAlive(env)
	if errno != 0 {
		return 0, errno
	}
	// The pipe closes at execve. If there is something in it, that is why execve did not happen.
	var why [8]byte
	n, err := unix.Read(pipe[0], why[:])
	for err == unix.EINTR {
		n, err = unix.Read(pipe[0], why[:])
	}
	if n == len(why) {
		_, _ = unix.Wait4(pid, nil, 0, nil)
		return 0, *(*syscall.Errno)(unsafe.Pointer(&why))
	}
	return pid, nil
}

// fork forks, and the copy runs its errands and executes the program. Nothing but raw system calls in it.
//
//go:noinline
//go:norace
//go:nocheckptr
func fork(e *errands) (pid int, errno syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || r != 0 {
		return int(r), errno
	}
	for sig := uintptr(1); sig <= 64; sig++ { // SIGKILL and SIGSTOP refuse, which does not matter
		syscall.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&e.defaultSig)), 0, 8, 0, 0)
	}
	if e.deathSignal != 0 {
		if _, _, errno = syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, e.deathSignal, 0); errno != 0 {
			goto failed
		}
	}
	if e.session {
		if _, _, errno = syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0); errno != 0 {
			goto failed
		}
	}
	for i := 0; i < len(e.files); i++ {
		if _, _, errno = syscall.RawSyscall(unix.SYS_DUP3, uintptr(e.files[i]), uintptr(i), 0); errno != 0 {
			goto failed
		}
	}
	if e.session {
		if _, _, errno = syscall.RawSyscall(unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0); errno != 0 {
			goto failed
		}
	}
	if e.group {
		if _, _, errno = syscall.RawSyscall(unix.SYS_SETPGID, 0, 0, 0); errno != 0 {
			goto failed
		}
		r, _, _ = syscall.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
		e.pgid = int32(r)
		// SIGTTOU is blocked with all the others, so taking the terminal does not stop us: tcsetpgrp(3).
		if _, _, errno = syscall.RawSyscall(unix.SYS_IOCTL, 0, unix.TIOCSPGRP, uintptr(unsafe.Pointer(&e.pgid))); errno != 0 {
			goto failed
		}
	}
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&e.mask)), 0, 8, 0, 0)
	_, _, errno = syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(e.path)), uintptr(unsafe.Pointer(e.argv)), uintptr(unsafe.Pointer(e.envv)))
failed:
	syscall.RawSyscall(unix.SYS_WRITE, uintptr(e.report), uintptr(unsafe.Pointer(&errno)), 8)
	for {
		syscall.RawSyscall(unix.SYS_EXIT, 1, 0, 0)
	}
}
