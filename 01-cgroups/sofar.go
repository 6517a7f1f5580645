//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/leak"
	"containerkit/lessons/narrate"
	"containerkit/lessons/stage"
)

// budget is what a command may use at this stage.
var budget = cgroup.Resources{Pids: 128, Memory: 256 << 20, CPU: 0.5}

// soFar runs a command within the budget: it is born in a group of its own. Everything else is still the host's.
func soFar(p stage.Payload) (status int, err error) {
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	if cmd.Err != nil {
		if errors.Is(cmd.Err, fs.ErrPermission) {
			return 126, cmd.Err
		}
		return 127, cmd.Err // not found in PATH
	}
	cmd.Env, cmd.ExtraFiles = p.Env, p.Extra
	cmd.Stdin, cmd.Stdout, cmd.Stderr = or(p.Stdin, os.Stdin), or(p.Stdout, os.Stdout), or(p.Stderr, os.Stderr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it dies if we die

	g, err := cgroup.New("sofar", budget)
	var no *cgroup.Unavailable
	switch {
	case errors.As(err, &no):
		fmt.Fprintf(os.Stderr, "01-cgroups: without limits: %v\n", no)
	case err != nil:
		return 0, err
	default:
		defer func() { err = errors.Join(err, g.Remove()) }() // and whoever the command left behind goes with it
		after, err := g.Prepare(cmd)
		if err != nil {
			return 0, err
		}
		defer after()
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	defer func() { signal.Stop(signals); close(signals) }()
	if err := cmd.Start(); err != nil {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return 127, err
		case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOEXEC):
			return 126, err
		}
		return 0, err
	}
	if p.Started != nil {
		p.Started()
	}
	go func() {
		for s := range signals {
			// From a terminal, Ctrl-C and Ctrl-\ reach the command by themselves: it is in the same process group.
			if typed := s == syscall.SIGINT || s == syscall.SIGQUIT; !typed || !terminal(cmd.Stdin.(*os.File)) {
				_ = cmd.Process.Signal(s)
			}
		}
	}()
	err = cmd.Wait()
	if cmd.ProcessState == nil {
		return 0, err
	}
	return stage.Status(cmd.ProcessState), nil
}

// leaks tells what the budget seals, and that it seals nothing else.
func leaks(n *narrate.Narrator) error {
	_, err := cgroup.Find()
	return leak.Table(n, 1, os.Geteuid() == 0, err == nil, soFar)
}

func or(f, standard *os.File) *os.File {
	if f == nil {
		return standard
	}
	return f
}

func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
