//go:build linux

package namespace

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Birth is where a new process is born, beyond its namespaces.
type Birth struct {
	// Cgroup is a descriptor of its cgroup's directory, on v2; 0 is the cgroup that we are in. (CLONE_INTO_CGROUP)
	Cgroup int
	// PidFD receives a descriptor that stands for the process, whatever becomes of its number: pidfd_open(2).
	PidFD *int
	// DeathSignal is sent to it when the thread that made it ends: prctl(2), PR_SET_PDEATHSIG.
	DeathSignal syscall.Signal
}

// Start starts a program in new namespaces and returns its process number as we count. files are its descriptors 0, 1, 2….
// With User among the namespaces it is root there.
//
// os/exec and syscall.ForkExec do the same (see Apply), but with a user namespace they copy our memory, page tables and all:
// the parent must go on to write the ID maps, and Go's own fork lets child and parent take turns on one stack. Here the
// child borrows our memory (CLONE_VM) with a stack of its own, until it executes the program. That saves a twentieth of a
// container's start.
func (s Spec) Start(path string, argv, env []string, files []*os.File, b Birth) (pid int, err error) {
	attr := &syscall.ProcAttr{Env: env, Sys: &syscall.SysProcAttr{Pdeathsig: b.DeathSignal, PidFD: b.PidFD}}
	for _, f := range files {
		attr.Files = append(attr.Files, f.Fd())
	}
	// We go on with numbers. Without this, Go may find that nobody uses a file any more, and close it before the child has it.
	defer runtime.KeepAlive(files)
	pid, err = s.start(path, argv, attr, b)
	if err != syscall.ENOSYS {
		return pid, err
	}
	// Some container engines' filters of system calls refuse clone3, and its assembly is for one kind of processor. Then
	// Go's way.
	if err := s.Fill(attr.Sys); err != nil {
		return 0, err
	}
	attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = b.Cgroup != 0, b.Cgroup
	return syscall.ForkExec(path, argv, attr)
}

// cloneArgs is struct clone_args of clone3(2); what we leave zero has no name.
type cloneArgs struct{ flags, pidFD, _, _, exitSignal, stack, stackSize, _, _, _, cgroup uint64 }

// childStack is more than the child's few frames take.
const childStack = 16 << 10

func (s Spec) start(path string, argv []string, attr *syscall.ProcAttr, b Birth) (pid int, err error) {
	e, pipe, done, err := prepare(path, argv, attr)
	if err != nil {
		return 0, err
	}
	defer unix.Close(pipe)
	defer done()
	if s.New&User != 0 {
		if err := unix.Pipe2(e.maps[:], unix.O_CLOEXEC); err != nil {
			return 0, os.NewSyscallError("pipe2", err)
		}
		defer unix.Close(e.maps[0])
		e.dropGroups = s.Setgroups
	}
	// What the kernel and the child get addresses of is part of e, on the heap: a goroutine's stack may move.
	args := &cloneArgs{
		flags:      uint64(s.New) | unix.CLONE_VM,
		exitSignal: uint64(unix.SIGCHLD),
		stack:      uint64(uintptr(unsafe.Pointer(&e.stack))+15) &^ 15, // aligned, as the calling convention wants it
		stackSize:  childStack - 16,
	}
	if b.PidFD != nil {
		args.flags |= unix.CLONE_PIDFD
		args.pidFD = uint64(uintptr(unsafe.Pointer(&e.pidFD)))
	}
	if b.Cgroup != 0 {
		args.flags |= unix.CLONE_INTO_CGROUP
		args.cgroup = uint64(b.Cgroup)
	}
	pid, err = e.quietly(func() (int, syscall.Errno) { return clone3(args, e) })
	if err == nil && e.maps[1] != 0 {
		if err = s.writeMaps(pid); err == nil {
			_, err = unix.Write(e.maps[1], []byte{1})
		}
		if err != nil {
			// Its end of the pipe closes, and it gives up.
			unix.Close(e.maps[1])
			_, _ = unix.Wait4(pid, nil, 0, nil)
			e.closePidFD(b)
			return 0, err
		}
	}
	if e.maps[1] != 0 {
		unix.Close(e.maps[1])
	}
	if err != nil {
		return 0, err
	}
	done() // the child has its own copies; the pipe must have no other writer
	err = executed(pid, pipe)
	runtime.KeepAlive(e) // until here the child has used it
	if err != nil {
		e.closePidFD(b)
		return 0, err
	}
	if b.PidFD != nil {
		*b.PidFD = int(e.pidFD)
	}
	return pid, nil
}

// closePidFD closes the descriptor that the kernel has made for a child that came to nothing.
func (e *errands) closePidFD(b Birth) {
	if b.PidFD != nil {
		unix.Close(int(e.pidFD))
	}
}

// lines is a map as the kernel reads it.
func lines(ms []IDMap) (text string) {
	for _, m := range ms {
		text += fmt.Sprintf("%d %d %d\n", m.Inside, m.Outside, m.Count)
	}
	return text
}
