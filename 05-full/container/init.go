//go:build linux

package container

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/04-network/network/lo"
)

// assembly is a container while it is built. One goroutine builds it, in process number 1 of the container (inside); another one
// helps and looks on in the process that has called Start (outside).
type assembly struct {
	Config
	spec   namespace.Spec
	files  []*os.File    // the payload's descriptors
	born   chan int      // number 1 exists, and this is its number as we count
	helped chan error    // what it needs from outside is there: tasks, layers, the network
	done   chan Part     // a part is done, if somebody wants to know
	seen   chan struct{} // he has looked: go on
	idle   chan struct{} // outside has ended
	ct     Container

	tasks []*os.File // of the cgroup on v1: see cgroup.JoinSelf
	root  *rootfs.Rootfs
	inner *os.File // the payload's end of its terminal

	sources *rootfs.Sources // what the root is made of, found outside
}

// inside builds the container from inside, part by part, in the order of order.go, and starts the payload. It returns the
// program that process number 1 is from then on.
func (a *assembly) inside(p namespace.Process) (program namespace.Program, err error) {
	a.born <- p.PID
	if err := <-a.helped; err != nil {
		return program, err
	}
	// First of all into the cgroup: whatever comes after is limited, and counted. On v2 we were born there.
	if err := cgroup.JoinSelf(a.tasks); err != nil {
		return program, err
	}
	parts, err := order()
	if err != nil {
		return program, err
	}
	for _, part := range append(parts, Ready) {
		if err := a.do(part); err != nil {
			return program, err
		}
		if err := a.tell(part); err != nil {
			return program, err
		}
	}
	if a.Without&Descriptors == 0 {
		if err := closeDescriptors(); err != nil {
			return program, err
		}
	}
	undumpable := a.Without&Undumpable == 0
	program, status, err := namespace.NumberOne(a.Args, a.Env, a.files, a.session(), undumpable)
	if err != nil {
		return program, &failure{err, status}
	}
	return program, nil
}

// do does a part.
func (a *assembly) do(part Part) error {
	switch part {
	case Born:
		return a.unshare()
	case Named:
		return namespace.SetHostname(a.Hostname)
	case Base:
		return a.base()
	case Connected:
		return lo.Up()
	case Walled:
		return a.walls()
	case Ready:
		return a.ready()
	}
	if a.root == nil {
		return fmt.Errorf("container: %s comes before %s, which lays the root that it works on", part, Base)
	}
	for _, step := range rootfs.Steps {
		if step.Name == string(part) {
			return step.Do(a.root)
		}
	}
	return fmt.Errorf("container: there is no part %q", part)
}

// tell tells the parent that a part is done and waits until it has looked, if it wants to look.
func (a *assembly) tell(part Part) error {
	if a.Trace == nil {
		return nil
	}
	a.done <- part
	select {
	case <-a.seen:
		return nil
	case <-a.Cancel:
		return errCanceled
	}
}

// unshare makes the two namespaces that could not be made with the others.
func (a *assembly) unshare() error {
	// The cgroup that we have just joined becomes the root of what we see.
	if err := namespace.UnshareCgroup(); err != nil {
		return err
	}
	if !namespace.HasTime() {
		return nil // it goes without: what this leaves open is uptime
	}
	// The payload, not we, will be in it: its uptime starts now.
	return namespace.UnshareUptime()
}

func (a *assembly) base() (err error) {
	// Begin also makes all mounts private, before the first one of ours.
	if a.root, err = rootfs.Begin(a.sources.Spec, a.sources.Files()...); err != nil {
		return err
	}
	a.root.Exposed = a.Without&CoveredPaths != 0
	return a.root.Base()
}

// ready goes to the working directory and opens the terminal, both inside the new root, and sets a limit that Go has moved.
func (a *assembly) ready() error {
	if err := unix.Chdir(a.Dir); err != nil {
		return &os.PathError{Op: "change to the working directory", Path: a.Dir, Err: err}
	}
	if err := usualFiles(); err != nil {
		return err
	}
	if a.Terminal {
		return a.openTerminal()
	}
	return nil
}

// usualFiles sets the soft limit on open descriptors to the kernel's default, 1024, whatever the limit of who starts the
// container. Go raises its own to the hard limit, and programs that use select(2) break above 1024. getrlimit(2)
// (Go lowers it for each program that it starts to what it was, but not for those that come after a call of Setrlimit.)
func usualFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return os.NewSyscallError("getrlimit(RLIMIT_NOFILE)", err)
	}
	limit.Cur = min(1024, limit.Max)
	return os.NewSyscallError("setrlimit(RLIMIT_NOFILE)", unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
}

// session is what the payload's process gets beyond its descriptors.
func (a *assembly) session() *syscall.SysProcAttr {
	// A session of its own (setsid(2)). A terminal of ours that it was lent as a descriptor is then not its controlling one,
	// or it could type commands into our shell (ioctl_tty(2), TIOCSTI).
	attr := &syscall.SysProcAttr{Setsid: true}
	if a.Terminal {
		// Descriptor 0 is its controlling terminal: Ctrl-C typed there goes to the payload's foreground process group, and job
		// control works (ioctl_tty(2), TIOCSCTTY).
		attr.Setctty, attr.Ctty = true, 0
	}
	return attr
}
