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

// An order is the message that PID 1 of the container receives.
type order[Spec any] struct {
	Spec      Spec // what the stage builds
	Argv, Env []string
	Extra     int  // file descriptors after stderrFD that belong to the command
	Files     int  // file descriptors after them, which build gets
	Terminal  bool // give the command the terminal that is its standard input
}

// stderrFD is the command's standard error in PID 1. PID 1's own is the null device until it
// catches signals: at a SIGQUIT, Go would print a trace of each goroutine there.
const stderrFD = 3

// A Box is a kind of container.
type Box[Spec any] struct{ name string }

// New registers a kind of container under a name. build runs inside, in the new namespaces, before
// the command. It sets up what the stage shows. It gets the files that Run was given, and closes
// them. Call New in a package-level variable, so that the kind is registered before main.
func New[Spec any](name string, build func(spec Spec, files []*os.File) error) Box[Spec] {
	child.Register(name, func(c *child.Conn) error { return first(c, build) })
	return Box[Spec]{name}
}

// first runs PID 1 of the container.
func first[Spec any](c *child.Conn, build func(Spec, []*os.File) error) error {
	var o order[Spec]
	if err := c.Receive(&o); err != nil {
		return err
	}
	go initproc.Catch() // in parallel with the work
	payload := []*os.File{os.Stdin, os.Stdout}
	for i := range 1 + o.Extra {
		payload = append(payload, os.NewFile(uintptr(stderrFD+i), "payload"))
	}
	files := inherited(stderrFD+1+o.Extra, o.Files, "file")
	// Our cgroup becomes the root of the cgroup hierarchy inside.
	if err := namespace.UnshareCgroup(); err != nil {
		return err
	}
	// The command, our child, starts in the new time namespace. The offsets are written via /proc,
	// so before it is mounted again.
	if namespace.HasTime() {
		if err := namespace.UnshareUptime(); err != nil {
			return err
		}
	}
	if err := build(o.Spec, files); err != nil {
		return err
	}
	initproc.Catch() // from now on signals are caught
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
	os.Exit(0) // the kernel kills the processes that are left inside
	return nil
}

// inherited returns count file descriptors from fd on, as files. Only PID 1 keeps them: a file can
// lead to the host.
func inherited(fd, count int, name string) (files []*os.File) {
	for range count {
		unix.CloseOnExec(fd)
		files = append(files, os.NewFile(uintptr(fd), name))
		fd++
	}
	return files
}

// Run runs a command in such a container and returns its exit status. files go to build. spec
// returns what to build. Run calls it when PID 1 exists and waits: this is the moment for setup
// from outside.
func (b Box[Spec]) Run(p stage.Payload, files []*os.File, spec func(init *procfs.Process) (Spec, error)) (status int, err error) {
	if err := procfs.Check(); err != nil {
		return 0, err
	}
	signals, stop := p.Catch() // before anything exists that a signal could leave behind
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
		return 0, err // build failed, and this is why
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
	case errors.Is(err, io.EOF) && c.ProcessState.Exited(): // without a message
		return 125, fmt.Errorf("PID 1 exited: %w", err)
	case errors.Is(err, io.EOF):
		return stage.Status(c.ProcessState), nil // it was killed
	case errors.Is(err, fs.ErrNotExist):
		return 127, err
	default:
		return 126, err
	}
}

// limits creates the cgroup. If it cannot, it prints the reason and returns nil.
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
	// else the command, in its process group, would be in the terminal's background
	birth.Attr.Setpgid = false
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
