//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/04-network/network"
	"containerkit/04-network/network/internet"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/child"
	"containerkit/lessons/leak"
	"containerkit/lessons/narrate"
	"containerkit/lessons/stage"
)

// budget is what a command may use, as in stage 01.
var budget = cgroup.Resources{Pids: 128, Memory: 256 << 20, CPU: 0.5}

// hostname is the container's name.
const hostname = "container"

// A plan is what the container's first process is told once its network is there.
type plan struct {
	Argv, Env    []string
	Root         rootfs.Spec
	Tasks, Extra int // of its descriptors from 3 on, so many are for cgroup v1, and the next ones are the command's
}

// soFar runs a command in the container so far: with a budget, namespaces and a root of its own, and, new at this stage,
// a network. The namespace in which we are plays the host; another one, at the end of its uplink, the Internet.
func soFar(p stage.Payload) (status int, err error) {
	if err := lo.Up(); err != nil {
		return 0, err
	}
	out, err := internet.Start()
	if err != nil {
		return 0, err
	}
	defer out.Close()
	defer network.Default.Delete()
	place, err := network.Prepare(network.Default, hostname)
	if place.Addr.IsValid() && network.NoNftables(err) {
		if !p.Quiet {
			fmt.Fprintf(os.Stderr, "04-network: no way out of the host: %v\n", err)
		}
	} else if err != nil {
		return 0, err
	}
	stop, err := place.ServeNames(network.Name{Name: "internet", Addr: internet.Server.Addr()})
	if err != nil {
		return 0, err
	}
	defer stop()

	group, tasks, err := limits(p.Quiet)
	if err != nil {
		return 0, err
	}
	if group != nil {
		defer func() { err = errors.Join(err, group.Remove()) }()
	}
	for _, f := range tasks {
		defer f.Close()
	}
	box, err := child.Command(firstProcess, append(tasks, p.Extra...)...)
	if err != nil {
		return 0, err
	}
	box.Stdin, box.Stdout, box.Stderr = or(p.Stdin, os.Stdin), or(p.Stdout, os.Stdout), or(p.Stderr, os.Stderr)
	namespace.Container().Apply(box.Cmd)
	if group != nil && len(tasks) == 0 { // cgroup v2: born in the group
		box.SysProcAttr.UseCgroupFD, box.SysProcAttr.CgroupFD = true, group.FD()
	}
	if err := box.Start(); err != nil {
		return 0, fmt.Errorf("start a process in new namespaces: %w", err)
	}
	defer box.Close()
	defer forward(box.Cmd.Process, box.Stdin.(*os.File))()
	// Its network namespace exists, and the process waits for its plan.
	if err := place.Connect(box.Process.Pid); err != nil {
		return 0, err
	}
	env := p.Env
	if env == nil {
		env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "CONTAINERKIT_SANDBOX=") })
	}
	root := rootfs.Spec{Hostname: hostname, Hosts: place.Hosts(), Resolv: place.Resolv()}
	if err := box.Send(plan{p.Argv, env, root, len(tasks), len(p.Extra)}); err != nil {
		return 0, err
	}
	if err := box.Receive(nil); err != nil { // it has built the rest from inside
		return 125, err
	}
	if p.Started != nil {
		p.Started()
	}
	_ = box.Wait() // how it ended, its state tells
	err = box.Receive(nil)
	switch {
	case errors.Is(err, io.EOF): // no last word: the command ran
		return stage.Status(box.ProcessState), nil
	case errors.Is(err, fs.ErrNotExist):
		return 127, err
	}
	return 126, err
}

// limits makes the group with the budget, and for cgroup v1 opens the files by which the child joins it. No group can be had
// without root or delegation: then the container is without limits, and we say so.
func limits(quiet bool) (*cgroup.Group, []*os.File, error) {
	group, err := cgroup.New("sofar", budget)
	var no *cgroup.Unavailable
	if errors.As(err, &no) {
		if !quiet {
			fmt.Fprintf(os.Stderr, "04-network: without limits: %v\n", no)
		}
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	tasks, err := group.JoinFiles()
	if err != nil {
		return nil, nil, errors.Join(err, group.Remove())
	}
	return group, tasks, nil
}

// firstProcess is number 1 of the container: it does from inside what stages 01 to 03 taught, and starts the command.
var firstProcess = child.Register("first-process", func(c *child.Conn) error {
	var p plan
	if err := c.Receive(&p); err != nil {
		return err
	}
	var files, tasks []*os.File
	for fd := range 3 + p.Tasks + p.Extra {
		f := os.NewFile(uintptr(fd), "inherited")
		if fd >= 3 && fd < 3+p.Tasks {
			unix.CloseOnExec(fd)
			tasks = append(tasks, f)
		} else {
			files = append(files, f)
		}
	}
	for _, step := range []func() error{
		func() error { return cgroup.JoinSelf(tasks) }, // whatever comes after is limited
		namespace.UnshareCgroup,                        // the group that we just joined is the root of what we see
		ownUptime,                                      // for our children: the command's clocks start now
		func() error { return namespace.SetHostname(p.Root.Hostname) },
		p.Root.Enter, // from here on the host's files are out of reach
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := c.Send("built"); err != nil {
		return err
	}
	status, err := namespace.RunAsInit(p.Argv, p.Env, files)
	if err != nil {
		return err
	}
	os.Exit(status) // the kernel ends whoever is left
	return nil
})

// ownUptime makes a time namespace, unless the kernel has none (WSL's).
func ownUptime() error {
	if err := namespace.UnshareUptime(); !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// forward passes on to the container, until the returned function is called, what asks this program to end. A Ctrl-C typed
// at the terminal reaches the command by itself: it is in the same process group.
func forward(to *os.Process, stdin *os.File) (stop func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	_, err := unix.IoctlGetTermios(int(stdin.Fd()), unix.TCGETS)
	atTerminal := err == nil
	go func() {
		for s := range signals {
			if typed := s == syscall.SIGINT || s == syscall.SIGQUIT; !typed || !atTerminal {
				_ = to.Signal(s)
			}
		}
	}()
	return func() { signal.Stop(signals); close(signals) }
}

// leaks tells what a network of its own seals, and that it seals nothing else.
func leaks(n *narrate.Narrator) error {
	_, err := cgroup.Find()
	return leak.Table(n, 4, !ordinaryUser(), err == nil, soFar)
}

func or(f, standard *os.File) *os.File {
	if f == nil {
		return standard
	}
	return f
}
