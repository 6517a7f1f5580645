//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/04-network/network/lo"
)

// initName is argv[0] of the child, and what ps shows for process number 1.
const initName = "containerkit-init"

// init is where the child begins: before main, and before the packages that only the parent needs are initialised,
// because Go initialises a package as soon as those that it imports are. That is worth a quarter of a start. It runs
// on the main thread, and init functions stay there: what the thread unshares, the payload inherits.
func init() {
	if len(os.Args) == 2 && os.Args[0] == initName {
		os.Exit(runInit())
	}
}

// assembly is the child's view of the work.
type assembly struct {
	plan
	conn   int
	layers []int // the root's, if the parent has picked them up
	root   *rootfs.Rootfs
	files  []*os.File // the payload's descriptors
	master *os.File   // the outer end of its terminal
}

// runInit is process number 1 of the container, from its first instruction to its last.
func runInit() int {
	// Go locks init functions to the main thread anyway, but only after this call it knows that the thread is special,
	// and has new threads made by another one. Before Linux 6.3 a thread that has unshared its time namespace can make none.
	runtime.LockOSThread()
	// Only Go's own threads sleep longer, see spawn. The payload inherits this thread's timer slack: the kernel's default.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(50*time.Microsecond), 0, 0, 0)
	// What ps shows as its name would otherwise be "exe", of /proc/self/exe.
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&[]byte("container-init\x00")[0])), 0, 0, 0)
	extra, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return 125
	}
	a := &assembly{conn: 3 + extra}
	for fd := range 3 + extra {
		a.files = append(a.files, os.NewFile(uintptr(fd), "payload"))
	}
	// None of our descriptors reaches the payload by accident; those meant for it are duplicated at its start.
	for fd := 3; fd <= a.conn; fd++ {
		unix.CloseOnExec(fd)
	}
	status, err := a.run()
	if err != nil {
		m := message{Error: err.Error(), Status: status}
		errors.As(err, &m.Errno)
		_ = send(a.conn, &m)
	}
	return status
}

// run builds the container from inside, part by part, in the order of order.go.
func (a *assembly) run() (status int, err error) {
	signals := namespace.CatchSignals()
	fds, err := receive(a.conn, &a.plan)
	if err != nil {
		return 125, fmt.Errorf("receive the plan: %w", err)
	}
	tasks := fds[:len(fds)-a.Layers]
	a.layers = fds[len(tasks):]
	// First of all into the cgroup: whatever comes after is limited, and counted. On v2 we were born there.
	var files []*os.File
	for _, fd := range tasks {
		files = append(files, os.NewFile(uintptr(fd), "tasks"))
	}
	if err := cgroup.JoinSelf(files); err != nil {
		return 125, err
	}
	parts, err := order()
	if err != nil {
		return 125, err
	}
	for _, part := range append(parts, Ready) {
		if err := a.do(part); err != nil {
			return 125, err
		}
		if err := a.tell(part); err != nil {
			return 125, err
		}
	}
	return signals.RunSession(a.Args, a.Env, a.files, a.session())
}

// do does a part.
func (a *assembly) do(part Part) error {
	switch part {
	case Born:
		return a.born()
	case Named:
		return namespace.SetHostname(a.Hostname)
	case Base:
		return a.base()
	case Covered:
		return a.cover()
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
	switch part {
	case Etc:
		return a.root.Etc()
	case Dev:
		return a.root.Dev()
	case Proc:
		return a.root.Proc()
	case Sys:
		return a.root.Sys()
	case Volumes:
		return a.root.Volumes()
	case Pivoted:
		return a.root.Pivot()
	}
	return fmt.Errorf("container: there is no part %q", part)
}

// tell tells the parent that a part is done and waits until it has looked, if it wants to look. Otherwise it only
// hears of the last one.
func (a *assembly) tell(part Part) error {
	if !a.Trace && part != Ready {
		return nil
	}
	if part == Ready && a.Terminal {
		return a.sendTerminal()
	}
	if err := send(a.conn, &message{Part: part}); err != nil || !a.Trace {
		return err
	}
	_, err := receive(a.conn, &message{}) // go on
	return err
}

// born makes the two namespaces that could not be made with the others.
func (a *assembly) born() error {
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
	if a.root, err = rootfs.Begin(a.Root, a.layers...); err != nil {
		return err
	}
	return a.root.Base()
}

func (a *assembly) cover() error {
	if a.Without&CoveredPaths == 0 {
		if err := rootfs.Cover(rootfs.Names(rootfs.Masked), rootfs.Names(rootfs.ReadOnlyPaths)); err != nil {
			return err
		}
	}
	if a.Root.ReadOnly {
		return rootfs.ReadOnlyRoot()
	}
	return nil
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
