//go:build linux

package namespace

import (
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// RunAsInit is what process number 1 of a container does: it starts the payload, passes signals on to it, and buries
// every orphan until the payload ends. It returns the payload's exit status, 128+n if signal n ended it; if the
// payload could not be started, 127 (no such command) or 126 (it cannot be executed) and the reason.
// When the caller then exits, the kernel kills whatever is left in the PID namespace.
//
// Why not let the payload be number 1? The kernel drops a signal for number 1 that has no handler, even SIGTERM, and
// every orphan becomes its child: a program that does not know that it is number 1 can be neither stopped nor rid of
// its zombies. pid_namespaces(7), "The namespace init process".
//
// argv[0] is looked up in the PATH of env, in the root that we have now. files are the payload's descriptors 0, 1, 2….
func RunAsInit(argv, env []string, files []*os.File) (status int, err error) {
	return RunSession(argv, env, files, nil)
}

// passedOn are the signals that process number 1 passes on to the payload: those that people and tools send to a
// program to tell it something.
var passedOn = []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGTERM,
	unix.SIGCONT, unix.SIGTSTP, unix.SIGWINCH}

// RunSession is RunAsInit with attributes for the payload's process: Setsid and Setctty make it the leader of a
// session with a terminal of its own; Foreground gives it the terminal that is there, see Foreground.
func RunSession(argv, env []string, files []*os.File, attr *syscall.SysProcAttr) (status int, err error) {
	// Before the payload starts, so that no signal is lost in between.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn...)
	pid, err := start(argv, env, files, attr)
	if err != nil {
		return notStarted(err), err
	}
	// A terminal sends Ctrl-C to its whole foreground process group. The payload has inherited that group and gets
	// it; we leave the group, so that what reaches us was meant for us, and nothing is delivered twice.
	// It fails for the leader of a session, who is alone in its group or knows what it does.
	_ = unix.Setpgid(0, 0)

	go func() {
		for s := range signals {
			_ = unix.Kill(pid, s.(syscall.Signal)) // it may just have ended
		}
	}()
	options := 0
	if attr != nil && attr.Foreground {
		options = unix.WUNTRACED // tell us of those that stop, too
	}
	return reap(pid, options)
}

// wakeUp lets a payload go on that a Ctrl-Z has stopped. It has the terminal, and no shell outside could wake it up again.
func wakeUp(pid int, ws unix.WaitStatus) {
	if ws.StopSignal() == unix.SIGTSTP {
		_ = unix.Kill(-pid, unix.SIGCONT) // its process group
	}
}

// Foreground tells whether we have the terminal f: it is our controlling terminal, and what is typed there is for our
// process group. Then the payload should have it, in a process group of its own (SysProcAttr.Foreground): our group
// has no number inside, and a shell there could not give the terminal back to it. Call restore when the container has
// ended: it gives the terminal back to us. Ask outside; inside, every group from outside has the number 0.
func Foreground(f *os.File) (yes bool, restore func()) {
	ours := unix.Getpgrp()
	fd := int(f.Fd())
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != ours {
		return false, func() {}
	}
	return true, func() {
		// Who is not in the foreground and takes it is stopped by SIGTTOU, unless he ignores that. tcsetpgrp(3)
		signal.Ignore(unix.SIGTTOU)
		defer signal.Reset(unix.SIGTTOU)
		_ = unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, ours) // the terminal may have been closed
	}
}

// start starts the payload from the calling thread, so that it is born in what that thread has unshared.
func start(argv, env []string, files []*os.File, attr *syscall.SysProcAttr) (pid int, err error) {
	path, err := lookup(argv[0], env)
	if err != nil {
		return 0, err
	}
	fds := make([]uintptr, len(files))
	for i, f := range files {
		fds[i] = f.Fd()
	}
	// We go on with numbers. Without this, Go may find that nobody uses a file any more, and close it before the child has it.
	defer runtime.KeepAlive(files)
	pid, err = ForkExec(path, argv, &syscall.ProcAttr{Env: env, Files: fds, Sys: attr})
	if err != nil {
		return 0, &os.PathError{Op: "exec", Path: path, Err: err}
	}
	return pid, nil
}

// notStarted is the exit status that stands for an error of start, as a shell has it.
func notStarted(err error) int {
	if os.IsNotExist(err) {
		return 127
	}
	return 126
}

// lookup finds a command as a shell does: a name with a slash is a path, another one is searched for in PATH.
// os/exec could do it, but looks at the PATH of this process, and costs start-up time.
func lookup(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v
		}
	}
	var err error = unix.ENOENT
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "." // an empty entry of PATH is the working directory
		}
		file := dir + "/" + name
		var st unix.Stat_t
		if unix.Stat(file, &st) != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
			continue
		}
		if unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS) == nil {
			return file, nil
		}
		err = unix.EACCES // found, but not executable: remember, and look on
	}
	return "", &os.PathError{Op: "find in PATH", Path: name, Err: err}
}
