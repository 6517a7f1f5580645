//go:build linux

package box

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
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
	Extra     int  // descriptors behind stderrFD that are the payload's
	Files     int  // descriptors behind them, which the stage hands to build
	Terminal  bool // give the payload the terminal that is its standard input
}

// stderrFD is the payload's standard error in PID 1. Its own is the null device until it catches signals: at a SIGQUIT,
// Go would print there what each goroutine does.
const stderrFD = 3

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
	go initproc.Catch() // beside the work
	payload := []*os.File{os.Stdin, os.Stdout}
	for i := range 1 + o.Extra {
		payload = append(payload, os.NewFile(uintptr(stderrFD+i), "payload"))
	}
	files := inherited(stderrFD+1+o.Extra, o.Files, "file")
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
	initproc.Catch() // from now on it gets signals
	if err := errors.Join(unix.Dup3(stderrFD, 2, 0), c.Send("ready")); err != nil {
		return err
	}
	var birth namespace.Birth
	birth.Attr.Foreground = o.Terminal
	status, err := initproc.RunSession(o.Argv, o.Env, payload, birth)
	if err != nil {
		return err // the command could not be started
	}
	if err := c.Send(status); err != nil {
		return err
	}
	os.Exit(0) // the kernel ends whoever is left inside
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
	signals, stop := p.Catch() // before anything exists that a signal would leave behind
	defer stop()
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
	stdin, stdout, stderr := p.Streams()
	c, err := child.Command(b.name, slices.Concat([]*os.File{stderr}, p.Extra, files)...)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.Stdin, c.Stdout, c.Stderr = stdin, stdout, nil
	var restore func()
	o.Terminal, restore = initproc.Foreground(stdin)
	defer restore()
	namespace.Container().OwnStreams(stdin, stdout, stderr)
	init, err := start(c, group)
	if err != nil {
		return 0, fmt.Errorf("start the container: %w", err)
	}
	defer init.Close()
	if o.Spec, err = spec(init); err != nil {
		return 0, err
	}
	if err := errors.Join(c.Send(o), c.Receive(nil)); err != nil {
		return 0, err // it could not be built, and says why
	}
	defer signals.Forward(false, func(s syscall.Signal) { _ = init.Signal(s) })()
	if p.Started != nil {
		p.Started()
	}
	if err := c.Wait(); c.ProcessState == nil {
		return 0, err
	}
	switch err := c.Receive(&status); {
	case err == nil:
		return status, nil
	case errors.Is(err, io.EOF) && c.ProcessState.Exited(): // without a word, and not by itself
		return 125, fmt.Errorf("PID 1 exited: %w", err)
	case errors.Is(err, io.EOF):
		return stage.Status(c.ProcessState), nil // it was killed
	case errors.Is(err, fs.ErrNotExist):
		return 127, err
	default:
		return 126, err
	}
}

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
	birth.Attr.Setpgid = false // or the command, which is in its group, would be in the terminal's background
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
