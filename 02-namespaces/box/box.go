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
	"containerkit/02-namespaces/initproc"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/stage"
)

// order is what the container's first process is told.
type order[Spec any] struct {
	Spec      Spec // what the stage wants to have built
	Argv, Env []string
	Extra     int  // descriptors from 3 on that are the payload's
	Files     int  // descriptors behind them, which the stage hands to build
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
	files := inherited(3+o.Extra, o.Files, "file")
	// The cgroup that we are in becomes the root of the cgroups inside.
	if err := namespace.UnshareCgroup(); err != nil {
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
	var birth namespace.Birth
	birth.Attr.Foreground = o.Terminal
	status, err := initproc.RunSession(o.Argv, o.Env, payload, birth)
	if err != nil {
		return err // the command could not be started
	}
	os.Exit(status) // the kernel ends whoever is left inside
	return nil
}

// inherited are count file descriptors from fd on. They belong to PID 1 alone: a file can be a way to
// the host.
func inherited(fd, count int, name string) (files []*os.File) {
	for range count {
		unix.CloseOnExec(fd)
		files = append(files, os.NewFile(uintptr(fd), name))
		fd++
	}
	return files
}

// Run runs a command in such a container and returns its exit status. files go to build. spec says what
// to build. It is asked when PID 1 exists and waits: the moment to do from outside what must be done
// there.
func (b Box[Spec]) Run(p stage.Payload, files []*os.File, spec func(init *procfs.Process) (Spec, error)) (status int, err error) {
	if err := procfs.Check(); err != nil {
		return 0, err
	}
	group, err := limits(p)
	if err != nil {
		return 0, err
	}
	if group != nil {
		defer func() { err = errors.Join(err, group.Remove()) }()
	}
	if !namespace.HasTime() && !p.Quiet {
		fmt.Fprintln(os.Stderr, "without a time namespace: this kernel has none")
	}
	o := order[Spec]{Argv: p.Argv, Env: p.Env, Extra: len(p.Extra)}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	o.Files = len(files)
	c, err := child.Command(b.name, append(p.Extra[:len(p.Extra):len(p.Extra)], files...)...)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.Stdin, c.Stdout, c.Stderr = standard(p)
	var restore func()
	o.Terminal, restore = initproc.Foreground(c.Stdin.(*os.File))
	defer restore()
	signals := stage.Catch()
	defer signals.Stop()
	init, err := start(c, group)
	if err != nil {
		return 0, fmt.Errorf("start the container: %w", err)
	}
	defer init.Close()
	signals.Forward(false, func(s syscall.Signal) { _ = init.Signal(s) })
	if o.Spec, err = spec(init); err != nil {
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

// standard are the payload's standard streams.
func standard(p stage.Payload) (in io.Reader, out, err io.Writer) { return p.Streams() }

// limits creates the cgroup; nil, with a word about the reason, where there can be none.
func limits(p stage.Payload) (*cgroup.Group, error) {
	group, err := cgroup.New("sofar", cgroup.Budget)
	var no *cgroup.Unavailable
	if errors.As(err, &no) {
		if !p.Quiet {
			fmt.Fprintf(os.Stderr, "without limits: %v\n", no)
		}
		return nil, nil
	}
	return group, err
}

// start starts PID 1 in its cgroup and in new namespaces.
func start(c *child.Process, group *cgroup.Group) (init *procfs.Process, err error) {
	birth := namespace.Birth{Attr: *c.SysProcAttr}
	if group != nil {
		if birth.Tasks, err = group.JoinFiles(); err != nil {
			return nil, err
		}
		birth.Attr.UseCgroupFD, birth.Attr.CgroupFD = group.FD() >= 0, group.FD()
	}
	err = c.StartBy(func(path string, argv, env []string, files []*os.File) (int, error) {
		program := namespace.Program{Path: path, Args: argv, Env: env, Files: files}
		if init, err = namespace.Container().Start(program, birth); err != nil {
			return 0, err
		}
		return init.PID, nil
	})
	for _, f := range birth.Tasks {
		_ = f.Close()
	}
	return init, err
}
