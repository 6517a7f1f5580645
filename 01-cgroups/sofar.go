//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"containerkit/01-cgroups/cgroup"
	"containerkit/01-cgroups/interpreter"
	"containerkit/lessons/kit/leak"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// soFar runs a command within the budget: it is born in a group of its own. Everything else is still the host's.
func soFar(p stage.Payload) (status int, err error) {
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	if cmd.Err != nil {
		return blame(cmd.Err), cmd.Err
	}
	cmd.Env, cmd.ExtraFiles = p.Env, p.Extra
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Streams()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it dies if we die

	signals, stop := p.Catch() // before anything exists that a signal would leave behind
	defer stop()
	g, err := cgroup.New("sofar", cgroup.Budget)
	var no *cgroup.Unavailable
	switch {
	case errors.As(err, &no):
		if !p.Quiet {
			fmt.Fprintf(os.Stderr, "without limits: %v\n", no)
		}
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
	if err := interpreter.Blame(cmd.Start()); err != nil {
		return blame(err), err
	}
	defer signals.Forward(false, func(s syscall.Signal) { _ = cmd.Process.Signal(s) })()
	if p.Started != nil {
		p.Started()
	}
	err = cmd.Wait()
	if cmd.ProcessState == nil {
		return 0, err
	}
	return stage.Status(cmd.ProcessState), nil
}

// blame is the exit status for an error of os/exec: 127 if there is no such command, 126 if it
// cannot be executed, 0 if it is not the command's fault.
func blame(err error) int {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return 127
	}
	// exec.ErrDot: PATH has it in the working directory. The errnos are those that execve(2) has and
	// clone(2) does not: os/exec calls both by one name.
	for _, number := range []error{exec.ErrDot, fs.ErrPermission, syscall.ENOEXEC, syscall.ENOTDIR, syscall.ELOOP,
		syscall.ETXTBSY, syscall.ENAMETOOLONG, syscall.E2BIG, syscall.EISDIR} {
		if errors.Is(err, number) {
			return 126
		}
	}
	return 0
}

// leaks tells what the budget seals, and that it seals nothing else.
func leaks(n *narrate.Narrator) error {
	_, err := cgroup.Find()
	return leak.Table(n, 1, os.Geteuid() == 0, err == nil, soFar)
}
