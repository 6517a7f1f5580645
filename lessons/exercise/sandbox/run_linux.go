package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
)

// Init runs a test program if go test started this process for that. Call it in main and in
// TestMain, after child.Init.
func Init() {
	if len(os.Args) < 4 || os.Args[1] != firstWord {
		return
	}
	patience, err := time.ParseDuration(os.Args[2])
	status := 2
	if err == nil {
		status, err = run(os.Args[3:], patience)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "sandbox: %v\n", err)
	}
	os.Exit(status)
}

// run runs the program and returns its exit status. It returns when no process of the program is
// left.
func run(argv []string, patience time.Duration) (status int, err error) {
	runtime.LockOSThread() // PID 1 is killed if this thread exits
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 2, os.NewSyscallError("prctl(PR_SET_CHILD_SUBREAPER)", err)
	}
	group := limits()
	if group != nil {
		defer func() { err = errors.Join(err, group.Remove()) }()
	}
	out, in, err := os.Pipe()
	if err != nil {
		return 2, err
	}
	p, err := start(argv, group, in)
	_ = in.Close()
	if err != nil {
		return 2, err
	}
	r := &relay{from: out, patience: patience, timer: time.NewTimer(patience),
		flood: make(chan struct{}), done: make(chan struct{})}
	go r.copy()
	why := r.wait(p, stopped)
	_ = p.Close() // PID 1 has exited, and its namespace with it
	if err := killChildren(); err != nil {
		return 2, err
	}
	<-r.done
	status, why = verdict(p.ProcessState, group, why)
	if why != "" {
		fmt.Printf("\n%s%s\n", Mark, why)
	}
	return status, nil
}

// limits creates a cgroup for the program. It returns nil if this user can't create one; then
// resource limits replace it.
func limits() *cgroup.Group {
	for _, r := range []cgroup.Resources{{Pids: Processes, Memory: Memory}, {Pids: Processes}} {
		if g, err := cgroup.New("check", r); err == nil {
			return g
		}
	}
	return nil
}

// verdict returns what terminated the program: why, our own reason, or the cause that it finds. It
// returns "" if the program exited by itself.
func verdict(state *os.ProcessState, group *cgroup.Group, why string) (status int, _ string) {
	status = state.ExitCode()
	if status == 0 && why == "" {
		return 0, ""
	}
	if group != nil {
		switch s := group.Stats(); {
		case s.OOMKills > 0:
			return 2, Hungry
		case s.PidsRefused > 0:
			return 2, Forks
		}
	}
	switch {
	case why != "":
		return 2, why
	case status < 0: // PID 1 itself was killed, as the kernel does when memory is short
		return 2, BySignal + "9"
	case status > 128:
		return status, BySignal + strconv.Itoa(status-128)
	}
	return status, ""
}

// A relay copies the program's output to ours, and counts its bytes.
type relay struct {
	from     *os.File
	patience time.Duration
	timer    *time.Timer
	flood    chan struct{} // closed when the output exceeds the limit
	done     chan struct{} // closed at the end of the output
	silent   atomic.Bool
}

// copy copies the output. The line that begins a test restarts the timer, so each test has its own
// time.
func (r *relay) copy() {
	defer close(r.done)
	buf := make([]byte, 1<<15)
	for total := 0; ; {
		n, err := r.from.Read(buf)
		if total += n; total > Output && !r.silent.Swap(true) {
			close(r.flood)
		}
		if !r.silent.Load() {
			_, _ = os.Stdout.Write(buf[:n]) // if it fails, go test has exited, and a signal follows
		}
		if bytes.Contains(buf[:n], []byte("=== RUN")) {
			r.timer.Reset(r.patience)
		}
		if err != nil {
			return
		}
	}
}

// wait waits until the program exits or must be killed. It returns the reason to kill it, or "".
func (r *relay) wait(p *child.Process, stopped <-chan os.Signal) (why string) {
	ended := make(chan struct{})
	go func() {
		p.Conn.Wait() // its end of the socket is closed when it exits
		close(ended)
	}()
	select {
	case <-ended:
		_ = p.Wait()
		return ""
	case <-r.timer.C:
		return Stuck + r.patience.String()
	case <-r.flood:
		return Flood
	case s := <-stopped:
		return BySignal + strconv.Itoa(int(s.(syscall.Signal)))
	}
}

// An order tells PID 1 what to do.
type order struct {
	Argv     []string
	Separate bool // PID 1 is in its own namespaces
	User     int  // the host UID that the user namespace maps; 0: no user namespace
	Group    int
	NoGroup  bool // no cgroup limits the processes
}

// start starts the program below PID 1 of new namespaces, or without namespaces if the kernel
// refuses them.
func start(argv []string, group *cgroup.Group, out *os.File) (p *child.Process, err error) {
	o := order{Argv: argv, Separate: true, User: os.Geteuid(), Group: os.Getegid(), NoGroup: group == nil}
	if p, err = o.start(group, out); err != nil {
		o.Separate = false
		p, err = o.start(group, out)
	}
	return p, err
}

func (o order) start(group *cgroup.Group, out *os.File) (p *child.Process, err error) {
	if p, err = child.Command(first); err != nil {
		return nil, err
	}
	p.Stdout, p.Stderr = out, out
	a := p.SysProcAttr
	// A signal to process 0 goes only to the sender's process group. A session leader leads a
	// process group already, and can't join another one.
	a.Setsid, a.Setpgid = true, false
	if o.Separate {
		a.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC
		if o.User != 0 { // an ordinary user needs a user namespace to create the others
			a.Cloneflags |= unix.CLONE_NEWUSER
			a.UidMappings, a.GidMappings = one(0, o.User), one(0, o.Group)
		}
	}
	after := func() {}
	if group != nil {
		if after, err = group.Prepare(p.Cmd); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	err = p.Start()
	after()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(p.Send(o), p.Receive(nil)); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// one returns a mapping of one ID.
func one(inside, outside int) []syscall.SysProcIDMap {
	return []syscall.SysProcIDMap{{ContainerID: inside, HostID: outside, Size: 1}}
}

// first names the function that runs as PID 1 in the sandbox.
var first = child.Register("check", func(c *child.Conn) error {
	var o order
	if err := c.Receive(&o); err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := o.prepare(); err != nil {
		return err
	}
	cmd := exec.Command(o.Argv[0], o.Argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// Its own session: the program can signal its process group, and PID 1 is not in it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	if o.Separate && o.User != 0 {
		// The user's host UID again, without privileges: the tests treat root and other users
		// differently.
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = one(o.User, 0), one(o.Group, 0)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := c.Send(nil); err != nil {
		return err
	}
	os.Exit(reap(cmd.Process.Pid))
	return nil
})

// prepare sets the limits, and mounts a /proc of the new PID namespace over the host's. It makes
// the mounts private first; otherwise they would propagate to the host (mount_namespaces(7)).
func (o order) prepare() error {
	limits := map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_DATA: 2 * Memory, unix.RLIMIT_FSIZE: Memory}
	for resource, limit := range limits {
		if err := lower(resource, limit); err != nil {
			return err
		}
	}
	if !o.Separate {
		return nil
	}
	if o.NoGroup {
		// The kernel counts it per user namespace since Linux 5.14; it doesn't limit the host's
		// root.
		if err := lower(unix.RLIMIT_NPROC, Processes); err != nil {
			return err
		}
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return &os.PathError{Op: "make private", Path: "/", Err: err}
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return &os.PathError{Op: "mount proc on", Path: "/proc", Err: err}
	}
	return nil
}

// lower lowers a resource limit, and never raises one.
func lower(resource int, limit uint64) error {
	var l unix.Rlimit
	if err := unix.Getrlimit(resource, &l); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	l.Cur, l.Max = min(l.Cur, limit), min(l.Max, limit)
	return os.NewSyscallError("setrlimit", unix.Setrlimit(resource, &l))
}

// reap waits for children until the program has exited, and returns its exit status: 128+n for
// signal n.
func reap(program int) int {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR || err == nil && pid != program:
		case err != nil:
			return 2
		case ws.Signaled():
			return 128 + int(ws.Signal())
		default:
			return ws.ExitStatus()
		}
	}
}

// children returns our child processes, whichever of our threads is their parent.
// (proc_tid_children(5))
func children() (pids []int) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		raw, _ := os.ReadFile(list) // the thread can have exited by now
		for text := range strings.FieldsSeq(string(raw)) {
			if pid, err := strconv.Atoi(text); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// killChildren kills our children, and orphans that are reparented to us, until no child is left.
func killChildren() error {
	for {
		for _, pid := range children() {
			_ = unix.Kill(pid, unix.SIGKILL) // the PID stays ours until we wait for it
		}
		_, err := unix.Wait4(-1, nil, 0, nil)
		if err == unix.ECHILD {
			return nil
		}
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("wait4", err)
		}
	}
}
