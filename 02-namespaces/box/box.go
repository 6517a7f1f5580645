//go:build linux

package box

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/stage"
)

// order is what the container's first process is told.
type order[Spec any] struct {
	Spec      Spec // what the stage wants to have built
	Argv, Env []string
	Extra     int  // descriptors from 3 on that are the payload's
	Tasks     int  // descriptors behind them, to join cgroups by
	Files     int  // and behind these, what the stage hands to build
	Terminal  bool // give the payload the terminal that is its standard input
}

// A Box is a kind of container.
type Box[Spec any] struct{ name string }

// New registers a kind of container under a name. build runs inside, in the new namespaces, before the command: it
// turns them into what the stage wants to show. It gets the files that Run was given, and closes them.
// Call New in a package-level variable, so that it is known before main.
func New[Spec any](name string, build func(spec Spec, files []*os.File) error) Box[Spec] {
	child.Register(name, func(c *child.Conn) error { return first(c, build) })
	return Box[Spec]{name}
}

// first is the container's first process, number 1 of its PID namespace.
func first[Spec any](c *child.Conn, build func(Spec, []*os.File) error) error {
	var o order[Spec]
	if err := c.Receive(&o); err != nil {
		return err
	}
	payload := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	for i := range o.Extra {
		payload = append(payload, os.NewFile(uintptr(3+i), "extra"))
	}
	tasks := inherited(3+o.Extra, o.Tasks, "tasks")
	files := inherited(3+o.Extra+o.Tasks, o.Files, "file")
	// The limits come first: whatever comes after is counted, and the cgroup that we are in then becomes the root of
	// the cgroups inside.
	if err := errors.Join(cgroup.JoinSelf(tasks), namespace.UnshareCgroup()); err != nil {
		return err
	}
	// The payload, our child, will be inside. The offsets are written through /proc, so before it is mounted again.
	if namespace.HasTime() {
		if err := namespace.UnshareUptime(); err != nil {
			return err
		}
	}
	if err := build(o.Spec, files); err != nil {
		return err
	}
	if err := c.Send("ready"); err != nil {
		return err
	}
	status, err := namespace.RunSession(o.Argv, o.Env, payload, &syscall.SysProcAttr{Foreground: o.Terminal})
	if err != nil {
		return err // the command could not be started
	}
	os.Exit(status) // the kernel ends whoever is left inside
	return nil
}

// inherited are count file descriptors from fd on. They are the first process's alone: with one of tasks the command
// could lend its place to others, and a file can be a way to the host.
func inherited(fd, count int, name string) (files []*os.File) {
	for range count {
		unix.CloseOnExec(fd)
		files = append(files, os.NewFile(uintptr(fd), name))
		fd++
	}
	return files
}

// Run runs a command in such a container and returns its exit status. spec says what to build; it is asked when the
// process is there, pid, and waits: the moment to do to it what must be done from outside. files go to build.
func (b Box[Spec]) Run(p stage.Payload, files []*os.File, spec func(pid int) (Spec, error)) (status int, err error) {
	group, err := cgroup.New("sofar", cgroup.Budget)
	var no *cgroup.Unavailable
	if errors.As(err, &no) {
		if !p.Quiet {
			fmt.Fprintf(os.Stderr, "without limits: %v\n", no)
		}
		group = nil
	} else if err != nil {
		return 0, err
	}
	if !namespace.HasTime() && !p.Quiet {
		fmt.Fprintln(os.Stderr, "without a time namespace: this kernel has none")
	}
	o := order[Spec]{Argv: p.Argv, Env: p.Env, Extra: len(p.Extra)}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	pass := p.Extra[:len(p.Extra):len(p.Extra)]
	if group != nil {
		defer func() { err = errors.Join(err, group.Remove()) }()
		tasks, err := group.JoinFiles()
		if err != nil {
			return 0, err
		}
		for _, f := range tasks {
			defer f.Close()
		}
		o.Tasks, pass = len(tasks), append(pass, tasks...)
	}
	o.Files, pass = len(files), append(pass, files...)
	c, err := child.Command(b.name, pass...)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	stdin, stdout, stderr := p.Streams()
	c.Stdin, c.Stdout, c.Stderr = stdin, stdout, stderr
	var restore func()
	o.Terminal, restore = namespace.Foreground(stdin)
	defer restore()
	namespace.Container().Apply(c.Cmd)
	if group != nil && group.FD() >= 0 {
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, group.FD() // born inside: clone3(2)
	}
	signals := stage.Catch()
	defer signals.Stop()
	if err := c.Start(); err != nil {
		return 0, fmt.Errorf("start the container: %w", err)
	}
	signals.Forward(false, func(s syscall.Signal) { _ = c.Process.Signal(s) })
	if o.Spec, err = spec(c.Process.Pid); err != nil {
		return 0, err
	}
	if err := errors.Join(c.Send(o), c.Receive(nil)); err != nil {
		return 0, err // it could not be built, and says why
	}
	if p.Started != nil {
		p.Started()
	}
	if err := c.Wait(); c.ProcessState == nil {
		return 0, err
	}
	switch err := c.Receive(nil); {
	case errors.Is(err, io.EOF): // no last word: the command ran
		return stage.Status(c.ProcessState), nil
	case errors.Is(err, fs.ErrNotExist):
		return 127, err
	default:
		return 126, err
	}
}
