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
// Why is the command not PID 1 itself? The kernel drops every signal that PID 1 has no handler for,
// even SIGTERM, and reparents every orphan to it. A program that does not expect to be PID 1
// ignores SIGTERM and reaps no zombies. (pid_namespaces(7), "The namespace init process")
type Session struct {
	command *procfs.Process
	options int // for wait4(2)
}

// forwarded lists the signals that PID 1 forwards. It leaves out those that no program can catch,
// PID 1's own (for children that exit, and those of Go's scheduler and profiler), and the real-time
// signals. It also leaves out those that our caller ignores, as nohup(1) does with SIGHUP: they
// stay ignored, for the command, too. (Go reports this for SIGHUP and SIGINT only, because it has
// already replaced the other handlers.)
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

// firstRealTime is SIGRTMIN of the kernel. (signal(7))
const firstRealTime = 32

// caught receives the signals to forward.
var caught = make(chan os.Signal, 64)

// Catch starts to catch signals, so that none is lost, and returns once it does. Before that, a
// signal is lost, or Go's own handler terminates PID 1. It takes one or two milliseconds, a switch
// between threads for each signal, so PID 1 calls it in parallel with its other work.
var Catch = sync.OnceFunc(func() { signal.Notify(caught, forwarded()...) })

// Start starts a command from the calling thread, so that it runs in the namespaces of that thread.
// Start catches signals before. An error has an exit status: see Status.
//
// argv[0] is looked up in the PATH of env, in our current root. files become the file descriptors
// 0, 1, 2… of the command; it gets no others. Of birth's Attr, Start uses Setsid and Setctty, which
// make the command a session leader with a terminal, and Foreground (see the function of that
// name).
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
		return nil, interpreter.Blame(err) // while its paths lead where they led for the kernel
	}
	// A terminal sends the SIGINT of Ctrl-C to its whole foreground process group. The command is
	// in our process group and gets it. We leave that group, so that each signal we get was sent to
	// us, and none is delivered twice. (The call fails for a session leader, which is alone in its
	// process group.)
	_ = unix.Setpgid(0, 0)
	return s, nil
}

// Wait forwards signals and reaps children until the command exits, and returns its exit status, or
// 128+n if signal n terminated it. When PID 1 then exits, the kernel kills the remaining processes
// of the namespace.
func (s *Session) Wait() (status int, err error) {
	go func() {
		for sig := range caught {
			_ = s.command.Signal(sig.(syscall.Signal)) // it can have exited meanwhile
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

// Status returns the exit status for an error of Start: 127 if the command does not exist, 126 if
// it cannot be executed, 125 if the error is not about the command.
func Status(err error) int {
	if status := interpreter.Status(err); status != 0 {
		return status
	}
	return 125
}

// wakeUp continues a command that Ctrl-Z has stopped. The command has the terminal, and a shell
// outside could not continue it.
func wakeUp(pid int, ws unix.WaitStatus) {
	if ws.StopSignal() == unix.SIGTSTP {
		_ = unix.Kill(-pid, unix.SIGCONT) // its process group
	}
}
