//go:build linux

package initproc

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/interpreter"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
)

// A Session is a command that runs below PID 1.
//
// Why is the command not PID 1 itself? The kernel drops every signal for PID 1 that it has no handler
// for, even SIGTERM, and reparents every orphan to it. A program that does not know that it is PID 1
// can neither be stopped nor does it get rid of zombies. (pid_namespaces(7), "The namespace init
// process")
type Session struct {
	command *procfs.Process
	options int // for wait4(2)
}

// forwarded are the signals that PID 1 forwards: all but those that no program can catch, its own
// (children that exit, and what Go's scheduler and profiler use), the real-time signals, and those that
// our caller ignores, as nohup(1) does SIGHUP. They stay ignored, for the command, too. (Go knows that
// of SIGHUP and SIGINT only: the handlers of the others it has replaced before.)
func forwarded() (list []os.Signal) {
	for s := unix.Signal(1); s < firstRealTime; s++ {
		switch s {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGPROF, unix.SIGURG:
		default:
			if !signal.Ignored(s) {
				list = append(list, s)
			}
		}
	}
	return list
}

// firstRealTime is the kernel's SIGRTMIN. (signal(7))
const firstRealTime = 32

// caught gets the signals that are to be forwarded.
var caught = make(chan os.Signal, 64)

// Catch begins to catch signals, so that none is lost, and returns once it does. Before, a signal is
// lost, or ends PID 1 by Go's own handler. It takes one or two milliseconds, a switch between threads
// for each signal: PID 1 has it done beside its other work.
var Catch = sync.OnceFunc(func() { signal.Notify(caught, forwarded()...) })

// Start starts a command from the calling thread, so that it is in what that thread has unshared.
// Signals are caught before. An error has an exit status: see Status.
//
// argv[0] is looked up in the PATH of env, in the root that we have now. files are the command's
// descriptors 0, 1, 2…; it gets no other. Of birth's Attr count Setsid and Setctty, which make the
// command the leader of a session with a terminal, and Foreground (see the function of that name).
func Start(argv, env []string, files []*os.File, birth namespace.Birth) (*Session, error) {
	s := &Session{}
	if birth.Attr.Foreground {
		s.options = unix.WUNTRACED // report children that stop, too
	}
	path, err := lookup(argv[0], env)
	if err != nil {
		return nil, err
	}
	Catch()
	program := namespace.Program{Path: path, Args: argv, Env: env, Files: files}
	if s.command, err = namespace.Start(program, birth); err != nil {
		return nil, interpreter.Blame(err) // while its paths mean what they meant to the kernel
	}
	// A terminal sends Ctrl-C to its whole foreground process group. The command is in our group and
	// gets it. We leave the group, so that what reaches us was meant for us and nothing is delivered
	// twice. (It fails for a session leader, which is alone in its group.)
	_ = unix.Setpgid(0, 0)
	return s, nil
}

// Wait forwards signals and reaps children until the command exits, and returns its exit status:
// 128+n if signal n ended it. When PID 1 then exits, the kernel kills what is left in the namespace.
func (s *Session) Wait() (status int, err error) {
	go func() {
		for sig := range caught {
			_ = s.command.Signal(sig.(syscall.Signal)) // it may just have exited
		}
	}()
	return reap(s.command.PID, s.options)
}

// RunSession starts a command and waits for it.
func RunSession(argv, env []string, files []*os.File, birth namespace.Birth) (status int, err error) {
	s, err := Start(argv, env, files, birth)
	if err != nil {
		return Status(err), err
	}
	return s.Wait()
}

// Status is the exit status for an error of Start: 127 if there is no such command, 126 if it cannot
// be executed, 125 if the command is not to blame.
func Status(err error) int {
	if status := interpreter.Status(err); status != 0 {
		return status
	}
	return 125
}

// wakeUp lets a command go on that Ctrl-Z has stopped. It has the terminal, and no shell outside
// could wake it up.
func wakeUp(pid int, ws unix.WaitStatus) {
	if ws.StopSignal() == unix.SIGTSTP {
		_ = unix.Kill(-pid, unix.SIGCONT) // its process group
	}
}
