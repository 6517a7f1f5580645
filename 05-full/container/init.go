//go:build linux

package container

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/initproc"
	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/04-network/network/lo"
)

// initName is the name under which this program is re-executed as PID 1 of a container.
const initName = "container-init"

func init() { initproc.Hook(initName, beInit) }

// connFD is PID 1's end of the connection to Start, a file descriptor. Below it are the command's
// standard streams, above it the command's other files.
const connFD = 3

// A plan is the message from Start to PID 1.
type plan struct {
	Args, Env     []string
	Dir, Hostname string
	Root          rootfs.Spec
	Files         int // how many file descriptors the command gets
	Terminal      bool
	Size          unix.Winsize
	Trace         bool // report each part, and wait
	Without       Wall
}

// An assembly is a container while PID 1 builds it.
type assembly struct {
	plan
	conn    conn
	files   []*os.File // the command's
	sources []*os.File // see rootfs.Sources
	root    *rootfs.Rootfs
	null    int // the host's null device
	// The ends of the container's terminal: Start gets the outer one, the command the inner one.
	outer, inner *os.File
}

// beInit is the main function of PID 1: it builds the container from the plan, starts the command,
// and stays as its init until the command exits.
func beInit() (status int) {
	go initproc.Catch() // concurrently: initproc.Start waits for it
	a := &assembly{conn: conn{connFD}}
	// The command must not inherit it.
	unix.CloseOnExec(connFD)
	var err error
	if a.sources, err = a.conn.receive(&a.plan); err != nil {
		return 125 // the parent is gone
	}
	for i := range a.Files {
		a.files = append(a.files, os.NewFile(uintptr(fileFD(i)), "file"))
	}
	session, answer := a.run()
	var terminal []*os.File
	if a.outer != nil {
		terminal = append(terminal, a.outer)
	}
	if a.conn.send(answer, terminal...) != nil || session == nil {
		return 125
	}
	if err := a.letGo(); err != nil {
		_ = a.conn.send(failed(err, 0))
		return 125
	}
	if status, err = session.Wait(); err != nil {
		_ = a.conn.send(failed(err, 125))
	}
	return status
}

// fileFD returns the file descriptor in PID 1 of the command's file descriptor i.
func fileFD(i int) int {
	if i < connFD {
		return i
	}
	return i + 1
}

// run builds the container and starts the command.
func (a *assembly) run() (*initproc.Session, answer) {
	var err error
	if a.null, err = openNull(); err == nil {
		err = a.build()
	}
	if err != nil {
		return nil, failed(err, 0)
	}
	session, err := initproc.Start(a.Args, a.Env, a.files, a.session())
	if err != nil {
		return nil, failed(err, initproc.Status(err))
	}
	return session, answer{Started: true}
}

// build runs all parts in the order of order.go.
func (a *assembly) build() error {
	parts, err := order()
	if err != nil {
		return err
	}
	for _, part := range append(parts, Ready) {
		if err := a.do(part); err != nil {
			return err
		}
		if err := a.report(part); err != nil {
			return err
		}
	}
	return nil
}

// do runs a part of the assembly.
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

// report sends Start that a part is done. If the caller traces, it waits until Trace returns.
func (a *assembly) report(part Part) error {
	if !a.Trace {
		return nil
	}
	if err := a.conn.send(answer{Done: part}); err != nil {
		return err
	}
	var seen answer
	_, err := a.conn.receive(&seen)
	return err
}

// unshare creates the two namespaces that could not be created with the others, and makes PID 1
// non-dumpable.
func (a *assembly) unshare() error {
	// The cgroup that we joined becomes the root of the cgroup namespace.
	if err := namespace.UnshareCgroup(); err != nil {
		return err
	}
	if namespace.HasTime() { // without it, the host's uptime is seen
		// Only the command will be in the new time namespace: its uptime starts now.
		if err := namespace.UnshareUptime(); err != nil {
			return err
		}
	}
	if a.Without&Undumpable != 0 {
		return nil
	}
	// No process inside may attach to PID 1 or follow /proc/1/exe, fd or mem: prctl(2),
	// PR_SET_DUMPABLE. Not before the time offsets, because /proc/self is no longer ours afterwards.
	// There is no other process inside yet.
	return os.NewSyscallError("prctl(PR_SET_DUMPABLE)", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}

func (a *assembly) base() (err error) {
	// Begin also makes all mounts private, before the first one of ours.
	if a.root, err = rootfs.Begin(a.Root, a.sources...); err != nil {
		return err
	}
	a.root.Exposed = a.Without&CoveredPaths != 0
	return a.root.Base()
}

// ready goes to the working directory and opens the terminal, both inside the new root.
func (a *assembly) ready() error {
	if err := rootfs.Chdir(a.Dir); err != nil {
		return err
	}
	if err := usualFiles(); err != nil {
		return err
	}
	if a.Terminal {
		return a.openTerminal()
	}
	return nil
}

// usualFiles sets the limit on open file descriptors to the kernel's defaults (1024, at most 4096),
// whatever the caller's limit is. Programs that use select(2) break above 1024. Go raises its own
// soft limit to the hard limit. (getrlimit(2))
func usualFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return os.NewSyscallError("getrlimit(RLIMIT_NOFILE)", err)
	}
	limit.Max = min(4096, limit.Max)
	limit.Cur = min(1024, limit.Max)
	return os.NewSyscallError("setrlimit(RLIMIT_NOFILE)", unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
}

// session returns the attributes of the command's process, except its file descriptors.
func (a *assembly) session() namespace.Birth {
	b := namespace.Birth{Inherit: a.Without&Descriptors != 0}
	// A new session (setsid(2)). A terminal of ours that it got as a descriptor is then not its
	// controlling terminal, or it could type commands into our shell. (ioctl_tty(2), TIOCSTI)
	b.Attr.Setsid = true
	if a.Terminal {
		// Descriptor 0 is its controlling terminal: Ctrl-C typed there goes to the command's foreground
		// process group, and job control works. (ioctl_tty(2), TIOCSCTTY)
		b.Attr.Setctty = true
	}
	return b
}

// openNull opens the host's null device, for PID 1's own standard streams. Call it before
// pivot_root: in the new root, the image and the volumes decide what /dev/null is.
func openNull() (fd int, err error) {
	fd, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		err = &os.PathError{Op: "open", Path: "/dev/null", Err: err}
	}
	return fd, err
}

// letGo closes the files that only the command should hold, so that a reader of a pipe sees when
// the command closes it. It replaces PID 1's own standard streams with the null device.
func (a *assembly) letGo() error {
	for i := range 3 {
		if err := unix.Dup3(a.null, i, unix.O_CLOEXEC); err != nil {
			return os.NewSyscallError("dup3", err)
		}
	}
	_ = unix.Close(a.null)
	for i := 3; i < a.Files; i++ {
		_ = unix.Close(fileFD(i))
	}
	for _, f := range []*os.File{a.outer, a.inner} {
		_ = f.Close() // nil, if there is no terminal
	}
	return nil
}
