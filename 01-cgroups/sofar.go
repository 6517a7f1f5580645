//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"containerkit/01-cgroups/cgroup"
	"containerkit/01-cgroups/interpreter"
	"containerkit/lessons/kit/leak"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// soFar runs a command with limits: in its own cgroup, where it starts. It shares everything else
// with the host.
func soFar(p stage.Payload) (status int, err error) {
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	if cmd.Err != nil {
		return interpreter.Status(cmd.Err), cmd.Err
	}
	cmd.Env, cmd.ExtraFiles = p.Env, p.Extra
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Streams()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // if we are killed

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
		defer func() { err = errors.Join(err, g.Remove()) }() // with what the command left running
		after, err := g.Prepare(cmd)
		if err != nil {
			return 0, err
		}
		defer after()
	}
	if err := interpreter.Blame(cmd.Start()); err != nil {
		return interpreter.Status(err), err
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

// leaks prints what the limits seal, and proves that they seal nothing else.
func leaks(n *narrate.Narrator) error {
	_, err := cgroup.Find()
	return leak.Table(n, 1, os.Geteuid() == 0, err == nil, soFar)
}
