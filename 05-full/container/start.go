//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
)

// A Container is one that runs.
type Container struct {
	// PID is its process number 1, as the host counts.
	PID int
	// Group holds its limits; nil if it was started without.
	Group *cgroup.Group
	// Unmapped says why the files of Config.Root belong to nobody inside, if they do. See rootfs.Sources.Map.
	Unmapped error
	// Terminal is our end of the container's terminal; nil if it has none.
	Terminal *os.File

	pidfd  int  // process number 1, whatever becomes of its number: pidfd_open(2)
	reaped bool // it has been waited for
}

// Start builds a container and starts its payload. If it fails, nothing is left. An error that the payload's command is to
// blame for has an exit status of its own: see Status.
//
// The container dies with the thread that calls Start (prctl(2), PR_SET_PDEATHSIG): call it from the main goroutine, locked to
// the main thread, and the container cannot outlive the program, not even after kill -9. Connect and Trace are called
// from another goroutine.
func Start(c Config) (_ *Container, err error) {
	if c, err = c.complete(); err != nil {
		return nil, err
	}
	files, err := c.descriptors()
	if err != nil {
		return nil, err
	}
	a := &assembly{Config: c, files: files, spec: namespace.Container(), born: make(chan int, 1), helped: make(chan error, 1),
		done: make(chan Part), seen: make(chan struct{}), idle: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.ct.destroy())
		}
	}()
	if a.sources, err = rootfs.Open(c.Root); err != nil {
		return nil, err
	}
	defer a.sources.Close()
	if err = a.sources.Clone(); err != nil {
		return nil, err
	}
	tree, err := c.tree()
	if err != nil {
		return nil, err
	}
	// On v2 a process is born in its group, on v1 it joins by itself, its first deed, and on a
	// hybrid machine both: so the group comes first.
	birth := namespace.Birth{DeathSignal: syscall.SIGKILL}
	if tree != nil {
		if a.ct.Group, err = tree.New("container", c.Resources); err != nil {
			return nil, err
		}
		birth.Cgroup = max(a.ct.Group.FD(), 0)
		if a.tasks, err = a.ct.Group.JoinFiles(); err != nil {
			return nil, err
		}
	}
	go a.outside()
	// From here on this goroutine is process number 1 of the container, until that executes a program of its own.
	p, err := a.spec.Vfork(birth, a.inside)
	close(a.born)
	close(a.done)
	select {
	case <-a.idle:
	case <-c.Cancel: // who looks on may not come back
	}
	if a.inner != nil {
		_ = a.inner.Close() // the payload has its own
	}
	if err != nil {
		return nil, err
	}
	a.ct.PID, a.ct.pidfd = p.PID, p.PidFD
	return &a.ct, nil
}

// outside is the goroutine that stays with us while another one builds the container: it makes what can only be had outside,
// and shows each part to who wants to look.
func (a *assembly) outside() {
	defer close(a.idle)
	var err error
	pid, ok := <-a.born // it waits for us: it exists, in its namespaces, and has done nothing
	if !ok {
		return
	}
	if err == nil && a.spec.Shifted() && !a.Root.OnBoard() {
		a.ct.Unmapped = mapLayers(a.sources, pid)
	}
	if err == nil && a.Connect != nil {
		err = a.Connect(pid)
	}
	a.helped <- err
	for part := range a.done {
		a.Trace(pid, part)
		select {
		case a.seen <- struct{}{}:
		case <-a.Cancel:
		}
	}
	for _, f := range a.tasks {
		_ = f.Close()
	}
}

var errCanceled = errors.New("container: canceled half-way")

// failure is an error with the exit status that stands for it.
type failure struct {
	error
	status int
}

func (e *failure) Unwrap() error { return e.error }

// tree is where the container's cgroup will stand; nil if it needs none.
func (c Config) tree() (*cgroup.Hierarchy, error) {
	if c.Resources.Empty() {
		return nil, nil
	}
	return cgroup.Find()
}

// mapLayers lets the files of a root that is not on board keep their owners: root's are root's inside. Where the kernel
// cannot do that, they belong to nobody.
func mapLayers(src *rootfs.Sources, pid int) error {
	users, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil {
		return err
	}
	defer users.Close()
	return src.Map(users)
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

// Signal sends a signal to the payload, by way of process number 1, which forwards it.
func (ct *Container) Signal(s syscall.Signal) error {
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(ct.pidfd, s, nil, 0))
}

// Wait waits until the payload has ended, removes what was made, and returns the payload's exit status: 128+n if
// signal n ended it.
func (ct *Container) Wait() (status int, err error) {
	defer func() { err = errors.Join(err, ct.destroy()) }()
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
	if ct.Terminal != nil {
		_ = ct.Terminal.Close()
	}
	if ct.Group == nil {
		return nil
	}
	group := ct.Group
	ct.Group = nil
	return group.Remove()
}
