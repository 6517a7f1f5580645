//go:build linux

package namespace

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Birth is where a new process is born, beyond its namespaces.
type Birth struct {
	// Cgroup is a descriptor of its cgroup's directory, on v2; 0 is the cgroup that we are in. (CLONE_INTO_CGROUP)
	Cgroup int
	// DeathSignal is sent to it when the thread that made it ends: prctl(2), PR_SET_PDEATHSIG. Our threads end with us.
	DeathSignal syscall.Signal
}

// A Process is one that Vfork has made: its number as we count, and a descriptor that stands for it, whatever becomes of
// the number (pidfd_open(2)).
type Process struct{ PID, PidFD int }

// A Program is what a process executes: execveat(2). FD is a file that is open, so the program needs no name.
type Program struct {
	FD        int
	Argv, Env []string
}

// Vfork makes a process in new namespaces, and the calling goroutine goes on in it: it calls inside there, and the process
// executes the program that inside returns. Then the goroutine is back, in our own process, and Vfork returns. If inside
// fails, the process ends, and Vfork returns the error. With User among the namespaces the process is root there.
//
// A program with threads cannot fork and go on: in the copy of its memory all threads but one are missing. The usual way
// out is to execute itself once more, and to tell the new program what to do; but a second start of Go's runtime takes a
// third of a container's start. Here nothing is copied, as in vfork(2): the new process borrows our memory and our
// descriptors (CLONE_VM, CLONE_FILES), and our thread sleeps until it has executed a program (CLONE_VFORK). In between it
// is that thread, to Go: all of Go works inside, channels, the collector and what other goroutines do at our end. What the
// kernel counts by process is its own: namespaces, user and group, working directory and mask, limits, and what signals do,
// which is the default for all.
//
// Four things must not happen inside. No goroutine started there should make system calls for the new process: it may run on
// any thread, and all the others are ours. No syscall.Setuid and the like, which Go applies to all threads. No file that
// is opened after close_range(2) has parted our descriptors, and not closed: Go would close its number at our end. And
// no panic, which ends both of us. Who kills the process from outside in these milliseconds ends us, too: what it held of
// our memory, nobody can tell.
func (s Spec) Vfork(b Birth, inside func(Process) (Program, error)) (Process, error) {
	if !assembled {
		return Process{}, fmt.Errorf("vfork: it takes a few lines of assembly, and there are none for %s", runtime.GOARCH)
	}
	vforking.Lock()
	defer vforking.Unlock()
	// The thread is our other half from here on. With this, Go also has new threads made by another one.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return Process{}, os.NewSyscallError("prctl(PR_GET_DUMPABLE)", err)
	}
	// The maps are written from outside, while the process waits: by a goroutine that stays here.
	born, mapped := make(chan int, 1), make(chan error, 1)
	defer close(born)
	if s.New&User != 0 {
		go func() {
			if pid, ok := <-born; ok {
				mapped <- s.writeMaps(pid)
			}
		}()
	}

	self, _ := os.Readlink("/proc/self") // our number as that /proc counts; no /proc, no maps
	parent, _ := strconv.Atoi(self)

	v := &vforked{parent: parent, deathSignal: uintptr(b.DeathSignal), groups: s.Setgroups, dumpable: uintptr(dumpable),
		stat: [16]byte([]byte("/proc/self/stat\x00"))}
	v.args = cloneArgs{
		flags:      uint64(s.New) | unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_FILES | unix.CLONE_PIDFD | unix.CLONE_PARENT_SETTID,
		pidFD:      uint64(uintptr(unsafe.Pointer(&v.pidFD))),
		parentTID:  uint64(uintptr(unsafe.Pointer(&v.pid))),
		exitSignal: uint64(unix.SIGCHLD),
	}
	if b.Cgroup != 0 {
		v.args.flags |= unix.CLONE_INTO_CGROUP
		v.args.cgroup = uint64(b.Cgroup)
	}
	// When our thread wakes up its stack has changed behind its back: no handler of Go's may run on it before it knows.
	var mask unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &everySignal, &mask); err != nil {
		return Process{}, os.NewSyscallError("sigprocmask", err)
	}
	if errno := vfork(&v.args, &v.place); errno != 0 {
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &mask, nil)
		return Process{}, os.NewSyscallError("clone3", errno)
	}

	// We are the new process. First of all it must be sure to die with us, for nothing of Go moves on without our threads.
	v.dieWithParent()
	for s := unix.Signal(1); s <= 64; s++ {
		_ = DropHandler(s) // Go's, and what the caller ignores: nohup(1). SIGKILL and SIGSTOP refuse, which does not matter.
	}
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &mask, nil)
	p := Process{int(v.pid), int(v.pidFD)}
	if s.New&User != 0 {
		born <- p.PID
		if err = <-mapped; err == nil {
			err = v.becomeRoot()
		}
	}
	var program Program
	if err == nil {
		program, err = inside(p)
	}
	if err == nil {
		err = v.execute(program)
	}
	if err != nil {
		v.leave(unix.SYS_EXIT_GROUP, 1, 0, 0, 0, 0)
	}

	// We are ourselves again: the process has left our memory.
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &mask, nil)
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, v.dumpable, 0, 0, 0) // it counts by memory, and becomeRoot or inside may have changed it
	if err != nil {
		unix.Close(p.PidFD)
		_, _ = unix.Wait4(p.PID, nil, 0, nil)
		return Process{}, err
	}
	return p, nil
}

// vforking lets one after another borrow our memory. It may be undumpable meanwhile, and an ordinary user could not write the ID
// maps of the next: its /proc would not belong to him (proc(5), "dumpable").
var vforking sync.Mutex

var everySignal = unix.Sigset_t{Val: [16]uint64{math.MaxUint64}}

// vforked is what the kernel, the assembly and both processes know of a vfork. It is on the heap: a goroutine's stack may move.
type vforked struct {
	args        cloneArgs
	place       place
	pid, pidFD  int32
	parent      int
	deathSignal uintptr
	groups      bool // setgroups(2) is allowed inside
	dumpable    uintptr
	stat        [16]byte  // a path
	line        [256]byte // and what is in the file
}

// cloneArgs is struct clone_args of clone3(2); what we leave zero has no name.
type cloneArgs struct{ flags, pidFD, _, parentTID, exitSignal, _, _, _, _, _, cgroup uint64 }

// A place is where a goroutine stands: its stack pointer, its frame pointer and, on processors that keep it in a register, the
// address that it returns to. Only assembly looks into it.
type place [3]uintptr

// becomeRoot makes the process in earnest what the map says. Without it, execve would take its capabilities, as from
// any user: capabilities(7), "Capabilities and execution of programs by root".
func (v *vforked) becomeRoot() error {
	if call, errno := v.setIDs(); errno != 0 {
		return os.NewSyscallError(call, errno)
	}
	return nil
}

// setIDs is not interrupted by Go, as little as dieWithParent, which it undoes: a change of user takes back both the death signal
// and the right to write one's own /proc/self. (Not unix.Setuid and the like: Go's ask all threads to do the same.)
//
//go:nosplit
func (v *vforked) setIDs() (call string, errno syscall.Errno) {
	if v.groups { // the groups that we are in are none of its business: setgroups(2)
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
			return "setgroups", errno
		}
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_SETGID, 0, 0, 0); errno != 0 {
		return "setgid", errno
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_SETUID, 0, 0, 0); errno != 0 {
		return "setuid", errno
	}
	v.dieWithParent()
	_, _, errno = syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, v.dumpable, 0)
	return "prctl(PR_SET_DUMPABLE)", errno
}

// dieWithParent asks for a signal when the parent dies: prctl(2), PR_SET_PDEATHSIG. If the parent has died before, the signal
// never comes, and the process has another parent already: then it ends here. It is in raw system calls, without growth
// of the stack, because everywhere else Go may make us wait for a thread that has died. (Not getppid(2): in a PID namespace
// of our own every parent outside is 0.)
//
//go:nosplit
func (v *vforked) dieWithParent() {
	if v.deathSignal == 0 {
		return
	}
	syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, v.deathSignal, 0)
	fd, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, 0, uintptr(unsafe.Pointer(&v.stat)), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return // without /proc nobody writes ID maps either
	}
	n, _, _ := syscall.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&v.line)), uintptr(len(v.line)))
	syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	// "PID (NAME) S PPID …", and a name may hold parentheses: proc_pid_stat(5).
	end, parent := 0, 0
	for i := 0; i < len(v.line) && i < int(n); i++ {
		if v.line[i] == ')' {
			end = i
		}
	}
	for i := end + 4; i < len(v.line) && v.line[i] >= '0' && v.line[i] <= '9'; i++ {
		parent = 10*parent + int(v.line[i]-'0')
	}
	if parent != v.parent {
		for {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
		}
	}
}

// execute executes a program in the process that has borrowed our memory, and returns in ours; or it fails, and returns
// where it was called.
func (v *vforked) execute(p Program) error {
	argv, err := syscall.SlicePtrFromStrings(p.Argv)
	if err != nil {
		return fmt.Errorf("arguments %q: %w", p.Argv, err)
	}
	env, err := syscall.SlicePtrFromStrings(p.Env)
	if err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	var path byte // no name: the descriptor itself (AT_EMPTY_PATH)
	if errno := v.leave(unix.SYS_EXECVEAT, uintptr(p.FD), uintptr(unsafe.Pointer(&path)), uintptr(unsafe.Pointer(&argv[0])),
		uintptr(unsafe.Pointer(&env[0])), unix.AT_EMPTY_PATH); errno != 0 {
		return os.NewSyscallError("execveat", errno)
	}
	return nil
}

// leave makes a system call with which a process leaves our memory, and returns 0 in ours: from the very place where it
// left. If the call fails it returns the error number, in that process.
//
//go:uintptrescapes
func (v *vforked) leave(nr, a1, a2, a3, a4, a5 uintptr) syscall.Errno {
	return leave(&v.place, nr, a1, a2, a3, a4, a5)
}

// lines is a map as the kernel reads it.
func lines(ms []IDMap) (text string) {
	for _, m := range ms {
		text += fmt.Sprintf("%d %d %d\n", m.Inside, m.Outside, m.Count)
	}
	return text
}
