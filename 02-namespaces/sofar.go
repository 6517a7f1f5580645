//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	group "containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/child"
	"containerkit/lessons/leak"
	"containerkit/lessons/narrate"
	"containerkit/lessons/stage"
)

// budget is what a command may use, from stage 01.
var budget = group.Resources{Pids: 128, Memory: 256 << 20, CPU: 0.5}

// order is what the container's first process is told.
type order struct {
	Argv, Env []string
	Extra     int  // descriptors from 3 on that are the payload's
	Tasks     int  // descriptors behind them, to join cgroups by
	Terminal  bool // give the payload the terminal that is its standard input
}

// container is the container's first process: number 1 of its PID namespace, in the order in which things must happen.
var container = child.Register("sofar-02", func(c *child.Conn) error {
	var o order
	if err := c.Receive(&o); err != nil {
		return err
	}
	payload := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	for i := range o.Extra {
		payload = append(payload, os.NewFile(uintptr(3+i), "extra"))
	}
	var tasks []*os.File
	for i := range o.Tasks {
		fd := 3 + o.Extra + i
		unix.CloseOnExec(fd) // the payload must not be able to lend its place to others
		tasks = append(tasks, os.NewFile(uintptr(fd), "tasks"))
	}
	// Stage 01: the limits. They come first: the cgroup that we are in then becomes the root of the cgroups inside.
	if err := errors.Join(group.JoinSelf(tasks), namespace.UnshareCgroup()); err != nil {
		return err
	}
	// The payload, our child, will be inside. The offsets are written through /proc, so before it is mounted again.
	if err := namespace.UnshareUptime(); err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: a kernel without them
		return err
	}
	// Private first: no mount of ours may reach the host.
	if err := errors.Join(namespace.SetHostname("containerkit"), namespace.MakePrivate(), namespace.MountProc("/proc")); err != nil {
		return err
	}
	// Root outside may be nobody in particular inside, who cannot be where he is.
	if unix.Access(".", unix.X_OK) != nil {
		if err := os.Chdir("/"); err != nil {
			return err
		}
	}
	if err := c.Send("ready"); err != nil {
		return err
	}
	status, err := namespace.RunSession(o.Argv, o.Env, payload, &syscall.SysProcAttr{Foreground: o.Terminal})
	if err != nil {
		fmt.Fprintf(os.Stderr, "02-namespaces: %v\n", err)
	}
	os.Exit(status)
	return nil
})

// soFar runs a command within the budget, and now with its own view of everything but the files.
func soFar(p stage.Payload) (status int, err error) {
	g, err := group.New("sofar", budget)
	var no *group.Unavailable
	if errors.As(err, &no) {
		if !p.Quiet {
			fmt.Fprintf(os.Stderr, "02-namespaces: without limits: %v\n", no)
		}
		g = nil
	} else if err != nil {
		return 0, err
	}
	o := order{Argv: p.Argv, Env: p.Env, Extra: len(p.Extra)}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	pass := p.Extra[:len(p.Extra):len(p.Extra)]
	if g != nil {
		defer func() { err = errors.Join(err, g.Remove()) }()
		tasks, err := g.JoinFiles()
		if err != nil {
			return 0, err
		}
		for _, f := range tasks {
			defer f.Close()
		}
		o.Tasks, pass = len(tasks), append(pass, tasks...)
	}
	c, err := child.Command(container, pass...)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.Stdin, c.Stdout, c.Stderr = or(p.Stdin, os.Stdin), or(p.Stdout, os.Stdout), or(p.Stderr, os.Stderr)
	var restore func()
	o.Terminal, restore = namespace.Foreground(c.Stdin.(*os.File))
	defer restore()
	namespace.Container().Apply(c.Cmd)
	if g != nil && g.Version == group.V2 {
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, g.FD() // born inside: clone3(2)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	defer func() { signal.Stop(signals); close(signals) }()
	if err := c.Start(); err != nil {
		return 0, fmt.Errorf("start the container: %w", err)
	}
	if err := errors.Join(c.Send(o), c.Receive(nil)); err != nil {
		return 0, err // it could not be built, and says why
	}
	if p.Started != nil {
		p.Started()
	}
	go func() {
		for s := range signals {
			if !typed(s) {
				_ = c.Process.Signal(s)
			}
		}
	}()
	err = c.Wait()
	if c.ProcessState == nil {
		return 0, err
	}
	return stage.Status(c.ProcessState), nil
}

// typed tells whether a signal is a Ctrl-C or Ctrl-\ from our terminal, while the command has its input from elsewhere.
// Then the command has got it already: the terminal sends it to all of its foreground group, in which we both are.
func typed(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
		return false
	}
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false // no terminal
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// leaks tells what namespaces seal, beside what the budget does.
func leaks(n *narrate.Narrator) error {
	_, err := group.Find()
	return leak.Table(n, 2, os.Geteuid() == 0, err == nil, soFar)
}

func or(f, standard *os.File) *os.File {
	if f == nil {
		return standard
	}
	return f
}
