//go:build linux

// Package child runs a Go function in a process of its own.
//
// Namespaces, cgroups and roots belong to processes, and a Go program cannot fork: it has threads from its first
// moment. So the program starts itself again (/proc/self/exe) under another argv[0], and the function registered
// under that name runs there instead of main. The parent decides, through the exec.Cmd, in which namespaces and in
// which cgroup the child is born. Parent and child talk over a socket pair, a JSON value at a time.
//
// Use it for the helpers of a step: someone who holds a namespace open, eats memory, tries to break out. It is not
// for the path of a container's start, where every microsecond counts: see package container for that.
package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/moby/sys/reexec"
	"golang.org/x/sys/unix"
)

// prefix makes the children easy to tell in ps.
const prefix = "containerkit-"

// connEnv tells the child which descriptor is its end of the conversation.
const connEnv = "CONTAINERKIT_CONN"

// A Conn is one end of the conversation between parent and child.
type Conn struct {
	file *os.File
	dec  *json.Decoder
}

// Timeout is how long Receive waits before it gives up, so that a lesson fails instead of hanging.
const Timeout = 30 * time.Second

func newConn(f *os.File) *Conn { return &Conn{f, json.NewDecoder(f)} }

// message is what crosses: a value, or the error of the other side.
type message struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error *Error          `json:"error,omitempty"`
}

// Send passes v to the other side.
func (c *Conn) Send(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return json.NewEncoder(c.file).Encode(message{Value: raw})
}

func (c *Conn) sendError(err error) error {
	return json.NewEncoder(c.file).Encode(message{Error: PackError(err)})
}

// Receive waits for the next value of the other side and stores it in v, which may be nil: then it only waits.
// If the other side failed, its error is returned, with the errno it had. io.EOF means that the other side is gone.
// After os.ErrDeadlineExceeded one may wait again.
func (c *Conn) Receive(v any) error { return c.receive(v, time.Now().Add(Timeout)) }

func (c *Conn) receive(v any, deadline time.Time) error {
	if err := c.file.SetReadDeadline(deadline); err != nil {
		return err
	}
	var m message
	if err := c.dec.Decode(&m); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return io.EOF
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// A decoder keeps its first error for good; who waits again needs a new one, with what has come so far.
			c.dec = json.NewDecoder(io.MultiReader(c.dec.Buffered(), c.file))
		}
		return fmt.Errorf("wait for the other process: %w", err)
	}
	if m.Error != nil {
		return m.Error
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(m.Value, v)
}

// Next is Receive without a time limit, for a child that does what it is asked to do: a reader may think for long between
// one question and the next. When the parent goes, however it goes, it returns io.EOF.
func (c *Conn) Next(v any) error { return c.receive(v, time.Time{}) }

// Wait blocks, without a time limit, until the other side closes or sends something. A child that only holds a
// namespace open ends with it: when the parent goes, however it goes, the child goes.
func (c *Conn) Wait() { _ = c.Next(nil) }

// File is the socket itself, for who must pass it on.
func (c *Conn) File() *os.File { return c.file }

// Close ends the conversation.
func (c *Conn) Close() error { return c.file.Close() }

// Register names a function that a child may run. Call it in a package-level variable or an init function, so that it
// is known before main. The function's error reaches the parent's Receive; its process then exits with status 1.
func Register(name string, f func(*Conn) error) string {
	reexec.Register(prefix+name, func() {
		fd, err := strconv.Atoi(os.Getenv(connEnv))
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: started without a parent: %s is not a descriptor\n", os.Args[0], connEnv)
			os.Exit(2)
		}
		_ = os.Unsetenv(connEnv)
		syscall.CloseOnExec(fd)
		// A descriptor that is already non-blocking is taken into Go's poller, and only then deadlines work.
		_ = syscall.SetNonblock(fd, true)
		c := newConn(os.NewFile(uintptr(fd), "conn"))
		if err := f(c); err != nil {
			_ = c.sendError(err)
			os.Exit(1)
		}
		os.Exit(0)
	})
	return name
}

// Init runs the registered function if this process is a child. It must be the first call of main and of TestMain.
func Init() {
	// A child that somebody else starts (see Argv) is named by its arguments instead of argv[0] and environment.
	if len(os.Args) == 4 && strings.HasPrefix(os.Args[0], "/proc/self/fd/") && strings.HasPrefix(os.Args[1], prefix) {
		signal.Ignore(syscall.SIGQUIT) // or Go prints what each goroutine does
		_ = os.Setenv(connEnv, os.Args[2])
		os.Args = os.Args[1:2]
	}
	reexec.Init()
}

// Argv is a command line that runs the function registered as name where this program's file cannot be found, in a
// container with a root of its own: descriptor exe holds the program, descriptor conn the child's end of a
// conversation (see Pair). Whoever starts the command passes both descriptors. tag is for the eyes of who looks for
// the process in /proc.
func Argv(name string, exe, conn int, tag string) []string {
	return []string{"/proc/self/fd/" + strconv.Itoa(exe), prefix + name, strconv.Itoa(conn), tag}
}

// Pair makes the two ends of a conversation: ours to talk on, theirs to pass to a child as a descriptor.
func Pair() (ours *Conn, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return newConn(os.NewFile(uintptr(fds[0]), "parent")), os.NewFile(uintptr(fds[1]), "child"), nil
}

// Self is a path by which a child can execute this program. That is /proc/self/exe, unless the file is closed to others
// (built under umask 077, say): root in a new user namespace is one of those others. Then it is a copy in memory.
var Self = sync.OnceValue(func() string {
	if os.Geteuid() == 0 {
		if st, err := os.Stat(reexec.Self()); err == nil && st.Mode()&0o001 == 0 {
			if fd, err := executableForLife(); err == nil {
				return fmt.Sprintf("/proc/self/fd/%d", fd)
			}
		}
	}
	return reexec.Self()
})

// executableForLife is Executable for as long as we live: a bare descriptor, which Go does not close when nobody holds it.
// It is far up, where no file that a child gets is put in its place before the child executes it.
func executableForLife() (int, error) {
	exe, err := Executable()
	if err != nil {
		return -1, err
	}
	defer exe.Close()
	return unix.FcntlInt(exe.Fd(), unix.F_DUPFD_CLOEXEC, 50)
}

// A Process is a child that runs a registered function, and the parent's end of the conversation with it.
type Process struct {
	*exec.Cmd
	*Conn
	theirs *os.File
}

// Command prepares a child that will run the function registered as name. Set SysProcAttr, Dir, Env or the standard
// streams before Start. Files in extra are descriptors 3 and up in the child, in order.
// The child is killed if the thread that started it ends (prctl(2), PR_SET_PDEATHSIG): start it from the main
// goroutine, which is locked to the main thread.
//
// It is in a process group of its own: Ctrl-C and Ctrl-\ at the terminal are for the program, which ends it; at a Ctrl-\ it
// would print what each of its goroutines does.
func Command(name string, extra ...*os.File) (*Process, error) {
	ours, theirs, err := Pair()
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path:        Self(),
		Args:        []string{prefix + name},
		Env:         append(os.Environ(), connEnv+"="+strconv.Itoa(3+len(extra))),
		Stderr:      os.Stderr,
		ExtraFiles:  append(extra[:len(extra):len(extra)], theirs),
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true},
	}
	return &Process{cmd, ours, theirs}, nil
}

// Start starts the child.
func (p *Process) Start() error {
	defer p.theirs.Close()
	if err := p.Cmd.Start(); err != nil {
		_ = p.Conn.Close()
		return err
	}
	return nil
}

// StartBy starts the child by another function than os/exec's, for what os/exec cannot do. It gets
// the program, and the files that are its descriptors 0, 1, 2…, and returns the PID. The child's
// standard streams must be files, or nil. A command with an error (Cmd.Err) is not started.
func (p *Process) StartBy(start func(path string, argv, env []string, files []*os.File) (pid int, err error)) error {
	defer p.theirs.Close()
	pid, err := p.startBy(start)
	if err == nil {
		p.Process, err = os.FindProcess(pid)
	}
	if err != nil {
		_ = p.Conn.Close()
	}
	return err
}

func (p *Process) startBy(start func(string, []string, []string, []*os.File) (int, error)) (int, error) {
	if p.Err != nil { // what os/exec's Start looks at first: the command could not be put together
		return 0, p.Err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	files := []*os.File{null, null, null}
	for i, stream := range []any{p.Stdin, p.Stdout, p.Stderr} {
		if f, ok := stream.(*os.File); ok && f != nil {
			files[i] = f
		}
	}
	return start(p.Path, p.Args, p.Env, append(files, p.ExtraFiles...))
}

// Wait waits for the child to end and returns what exec.Cmd.Wait returns.
func (p *Process) Wait() error { return p.Cmd.Wait() }

// Close ends the conversation, kills the child if it still runs, and waits for it. It may be called twice.
func (p *Process) Close() error {
	_ = p.Conn.Close()
	if p.Process == nil || p.ProcessState != nil {
		return nil
	}
	_ = p.Process.Kill()
	_ = p.Cmd.Wait() // a killed child ends with an error, which is what we wanted
	return nil
}

// Executable returns a copy of this program in memory, readable and executable by everyone: the container's root may not
// hold the file, and its user may not be allowed to read ours (memfd_create(2)).
func Executable() (*os.File, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	// MFD_EXEC, since Linux 6.3: where the sysctl vm.memfd_noexec is 1, a file that does not ask may never be executed.
	fd, err := unix.MemfdCreate("containerkit", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("containerkit", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	mem := os.NewFile(uintptr(fd), "containerkit")
	if _, err := io.Copy(mem, self); err != nil {
		mem.Close()
		return nil, err
	}
	if err := mem.Chmod(0o755); err != nil {
		mem.Close()
		return nil, err
	}
	// Executing a file that is open for writing fails with ETXTBSY: reopen it read-only.
	defer mem.Close()
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
}
