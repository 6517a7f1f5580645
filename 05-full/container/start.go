//go:build linux

package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/child"
)

// A Container is one that runs.
type Container struct {
	// PID is its process number 1, as the host counts.
	PID int
	// Group holds its limits; nil if it was started without.
	Group *cgroup.Group
	// Unmapped says why the files of Config.Root belong to nobody inside, if they do. See rootfs.Spec.PickUpMapped.
	Unmapped error
	// Terminal is our end of the container's terminal; nil if it has none.
	Terminal *os.File

	conn   *os.File
	pidfd  int  // process number 1, whatever becomes of its number: pidfd_open(2)
	reaped bool // it has been waited for
}

// Start builds a container and starts its payload. If it fails, nothing is left.
//
// The child dies with the thread that calls Start (prctl(2), PR_SET_PDEATHSIG): call it from the main goroutine,
// locked to the main thread, and the container cannot outlive the program, not even after kill -9.
func Start(c Config) (_ *Container, err error) {
	p, err := c.plan()
	if err != nil {
		return nil, err
	}
	ct := &Container{}
	defer func() {
		if err != nil {
			ct.destroy()
		}
	}()
	tree, err := c.tree()
	if err != nil {
		return nil, err
	}
	// On v2 a process is born in its group, so the group comes first. On v1 it joins by itself, its first deed: there
	// the group is made while the child's own program starts.
	born := tree != nil && tree.Version == cgroup.V2
	if born {
		if ct.Group, err = tree.New("container", c.Resources); err != nil {
			return nil, err
		}
	}
	spec := namespace.Container()
	if err := ct.spawn(c, spec); err != nil {
		return nil, err
	}
	var files []*os.File
	if tree != nil && !born {
		if ct.Group, err = tree.New("container", c.Resources); err != nil {
			return nil, err
		}
		if files, err = ct.Group.JoinFiles(); err != nil {
			return nil, err
		}
	}
	if spec.Shifted() && !c.Root.OnBoard() {
		if layers := ct.layers(c.Root); layers != nil {
			files, p.Layers = append(files, layers...), len(layers)
			p.Root.Dir, p.Root.Layers = "", nil // the child may not even be allowed to look there
		}
	}
	// The child waits for its plan: it exists, in its namespaces, and has done nothing.
	if c.Connect != nil {
		err = c.Connect(ct.PID)
	}
	if err == nil {
		err = send(int(ct.conn.Fd()), &p, files...)
	}
	for _, f := range files {
		f.Close()
	}
	if err != nil {
		return nil, err
	}
	return ct, ct.listen(c.Trace)
}

// tree is where the container's cgroup will stand; nil if it needs none.
func (c Config) tree() (*cgroup.Hierarchy, error) {
	if c.Resources.Empty() {
		return nil, nil
	}
	return cgroup.Find()
}

// layers picks up the files of a root that is not on board, so that they keep their owners: root's are root's inside. Where
// the kernel cannot do that, the child picks them up itself, and they belong to nobody.
func (ct *Container) layers(root rootfs.Spec) (layers []*os.File) {
	users, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", ct.PID))
	if err == nil {
		defer users.Close()
		layers, err = root.PickUpMapped(int(users.Fd()))
	}
	ct.Unmapped = err
	return layers
}

// spawn starts the child: this program, under another name, in its cgroup and in six new namespaces. The other two
// (cgroup and time) it makes itself: see package namespace for why they have to wait.
func (ct *Container) spawn(c Config, spec namespace.Spec) error {
	ours, theirs, err := conversation()
	if err != nil {
		return err
	}
	ct.conn = ours
	defer theirs.Close()

	files, err := c.descriptors()
	if err != nil {
		return err
	}
	birth := namespace.Birth{PidFD: &ct.pidfd, DeathSignal: syscall.SIGKILL}
	if ct.Group != nil {
		birth.Cgroup = ct.Group.FD()
	}
	// One thread of Go's runtime watches the others, and while a program starts it sleeps 20 µs at a time. Where it wakes up
	// on the processor of the thread that starts the program, that costs a twentieth of a container's start. With more timer
	// slack, which is inherited, the kernel lets it sleep longer: prctl(2), PR_SET_TIMERSLACK. The payload has none of it, see runInit.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(time.Millisecond), 0, 0, 0)
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }() // 0: what our thread began with
	// The payload's environment comes with the plan; nothing of ours must show in /proc/1/environ. Two threads of Go's
	// scheduler are enough for a process that waits.
	ct.PID, err = spec.Start(child.Self(), []string{initName, strconv.Itoa(len(c.Extra))},
		[]string{"GOMAXPROCS=2"}, append(files, theirs), birth)
	if err != nil {
		return fmt.Errorf("start a process in new namespaces: %w", err)
	}
	return nil
}

// descriptors are the payload's: the three standard ones, and Extra.
func (c Config) descriptors() ([]*os.File, error) {
	files := append([]*os.File{c.Stdin, c.Stdout, c.Stderr}, c.Extra...)
	for i, f := range files {
		if f == nil {
			null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			if err != nil {
				return nil, err
			}
			files[i] = null // closed when it is collected; it lives as long as the fork needs it
		}
	}
	return files, nil
}

// listen follows the assembly until the payload is about to start.
func (ct *Container) listen(trace func(int, Part)) error {
	fd := int(ct.conn.Fd())
	for {
		var m message
		files, err := receive(fd, &m)
		switch {
		case errors.Is(err, io.EOF):
			return errors.New("container: its first process died during the assembly")
		case err != nil:
			return err
		case m.Error != "":
			return &failure{m.Error, m.Errno, m.Status}
		}
		if len(files) > 0 {
			ct.Terminal = os.NewFile(uintptr(files[0]), "terminal")
		}
		if trace != nil {
			trace(ct.PID, m.Part)
			if err := send(fd, &message{}); err != nil {
				return err
			}
		}
		if m.Part == Ready {
			return nil
		}
	}
}

// Signal sends a signal to the payload, by way of process number 1, which forwards it.
func (ct *Container) Signal(s syscall.Signal) error {
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(ct.pidfd, s, nil, 0))
}

// Wait waits until the payload has ended, removes what was made, and returns the payload's exit status: 128+n if
// signal n ended it, 127 if there is no such command and 126 if it cannot be executed, with the reason.
func (ct *Container) Wait() (status int, err error) {
	defer func() { err = errors.Join(err, ct.destroy()) }()
	// The conversation ends with process number 1, or with a last word on why the payload could not be started.
	var m message
	if _, err := receive(int(ct.conn.Fd()), &m); err == nil && m.Error != "" {
		return m.Status, &failure{m.Error, m.Errno, m.Status}
	}
	ws, err := ct.reap()
	switch {
	case err != nil:
		return 125, err
	case ws.Signaled():
		return 128 + int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}

// reap waits for process number 1, once: wait4(2).
func (ct *Container) reap() (ws unix.WaitStatus, err error) {
	for {
		if _, err = unix.Wait4(ct.PID, &ws, 0, nil); err != unix.EINTR {
			ct.reaped = true
			return ws, os.NewSyscallError("wait4", err)
		}
	}
}

// Run starts a container and waits for its end.
func Run(c Config) (status int, err error) {
	ct, err := Start(c)
	if err != nil {
		return Status(err), err
	}
	return ct.Wait()
}

// Status is the exit status that stands for an error: 125 unless the error knows better.
func Status(err error) int {
	var f *failure
	if errors.As(err, &f) && f.status != 0 {
		return f.status
	}
	return 125
}

// Kill ends the container at once, with everything in it: when process number 1 dies, the kernel kills the rest.
func (ct *Container) Kill() error { return ct.Signal(unix.SIGKILL) }

// Close ends the container, if it still runs, and removes what was made. Either Wait or Close must be called.
func (ct *Container) Close() error { return ct.destroy() }

// destroy removes what Start made; what lives in namespaces is gone with the last process in them.
func (ct *Container) destroy() error {
	if ct.PID != 0 && !ct.reaped {
		_ = ct.Kill()
		_, _ = ct.reap()
	}
	if ct.pidfd > 0 {
		_ = unix.Close(ct.pidfd)
		ct.pidfd = -1
	}
	for _, f := range []*os.File{ct.conn, ct.Terminal} {
		if f != nil {
			_ = f.Close()
		}
	}
	if ct.Group == nil {
		return nil
	}
	group := ct.Group
	ct.Group = nil
	return group.Remove()
}
