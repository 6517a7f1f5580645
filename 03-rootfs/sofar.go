//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/child"
	"containerkit/lessons/leak"
	"containerkit/lessons/narrate"
	"containerkit/lessons/stage"
)

// budget is what a command may use, from stage 01.
var budget = cgroup.Resources{Pids: 128, Memory: 256 << 20, CPU: 0.5}

// files are the container's, as the flags say.
var files = rootfs.Spec{Hostname: "containerkit"}

func flags(fs *flag.FlagSet) {
	fs.Func("rootfs", "with a command: `DIR` holds the container's files; without it, the host's /usr and generated files", func(dir string) error {
		files.Dir = dir
		return files.Check()
	})
	fs.Func("volume", "with a command: lend a directory or file, `SRC:DST[:ro]`; may be repeated", func(v string) error {
		volume, err := rootfs.ParseVolume(v)
		if err != nil {
			return err
		}
		files.Volumes = append(files.Volumes, volume)
		return files.Check()
	})
}

// order is what the container's first process is told.
type order struct {
	Files     rootfs.Spec
	Argv, Env []string
	Extra     int // descriptors from 3 on that are the payload's
	Tasks     int // descriptors behind them to join cgroups by
}

// container is the container's first process, in the order in which things must happen.
var container = child.Register("sofar-03", func(c *child.Conn) error {
	runtime.LockOSThread() // the payload is started from the thread that joined and unshared
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
		unix.CloseOnExec(3 + o.Extra + i) // the payload must not be able to lend its place to others
		tasks = append(tasks, os.NewFile(uintptr(3+o.Extra+i), "tasks"))
	}
	// Stage 01: the limits. Stage 02: what it sees. Then, new here: its files.
	if err := errors.Join(cgroup.JoinSelf(tasks), namespace.UnshareCgroup(), namespace.SetHostname(o.Files.Hostname)); err != nil {
		return err
	}
	if err := namespace.UnshareUptime(); err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: a kernel without time namespaces
		return err
	}
	if err := o.Files.Enter(); err != nil {
		return err
	}
	if err := c.Send("ready"); err != nil {
		return err
	}
	status, err := namespace.RunAsInit(o.Argv, o.Env, payload)
	if err != nil {
		fmt.Fprintf(os.Stderr, "03-rootfs: %v\n", err)
	}
	os.Exit(status)
	return nil
})

// soFar runs a command with a budget, with its own view, and now with files of its own.
func soFar(p stage.Payload) (status int, err error) {
	g, err := cgroup.New("sofar", budget)
	var no *cgroup.Unavailable
	if errors.As(err, &no) {
		fmt.Fprintf(os.Stderr, "03-rootfs: without limits: %v\n", no)
		g = nil
	} else if err != nil {
		return 0, err
	}
	o := order{Files: files, Argv: p.Argv, Env: p.Env, Extra: len(p.Extra)}
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
	c.Stdin, c.Stdout, c.Stderr = file(p.Stdin, os.Stdin), file(p.Stdout, os.Stdout), file(p.Stderr, os.Stderr)
	namespace.Container().Apply(c.Cmd)
	if g != nil && g.Version == cgroup.V2 {
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, g.FD() // born inside: clone3(2)
	}
	if err := c.Start(); err != nil {
		return 0, fmt.Errorf("start the container: %w", err)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer func() { signal.Stop(signals); close(signals) }()
	if err := c.Send(o); err != nil {
		return 0, err
	}
	if err := c.Receive(nil); err != nil {
		return 0, err // it could not be built, and says why
	}
	if p.Started != nil {
		p.Started()
	}
	go func() {
		for s := range signals {
			// What is typed at a terminal reaches the command by itself: it is in our process group.
			if typed := s == syscall.SIGINT || s == syscall.SIGQUIT; !typed || !terminal(c.Stdin.(*os.File)) {
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

// leaks tells what a root of its own seals, beside what the stages before do.
func leaks(n *narrate.Narrator) error {
	_, err := cgroup.Find()
	return leak.Table(n, 3, os.Geteuid() == 0, err == nil, soFar)
}

func file(f, standard *os.File) *os.File {
	if f == nil {
		return standard
	}
	return f
}

func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
