//go:build linux

// Package child runs a Go function in its own process.
//
// Namespaces, cgroups and roots belong to processes, and a Go program cannot fork, because it has
// threads from its start. So the program re-executes itself (/proc/self/exe) with another argv[0],
// and the function registered under that name runs there instead of main. With the exec.Cmd, the
// parent chooses the namespaces and the cgroup in which the child starts. Parent and child send
// each other JSON values over a socket pair.
//
// Use it for the helpers of a step: a process that holds a namespace open, allocates memory, or
// tries to escape. When not to use it: to start a container, where every microsecond counts. See
// package container.
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

// prefix begins the names of all children, so that they are easy to find in ps.
const prefix = "containerkit-"

// connEnv is the variable with the number of the file descriptor that is the child's end of the
// conversation.
const connEnv = "CONTAINERKIT_CONN"

// A Conn is one end of the conversation between parent and child.
type Conn struct {
	file *os.File
	dec  *json.Decoder
}

// Timeout limits how long Receive waits, so that a lesson fails instead of hanging.
const Timeout = 30 * time.Second

func newConn(f *os.File) *Conn { return &Conn{f, json.NewDecoder(f)} }

// A message carries a value, or the error of the other side.
type message struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error *Error          `json:"error,omitempty"`
}

// Send sends v to the other side.
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

// Receive waits for the next value from the other side and stores it in v. If v is nil, it only
// waits. If the other side failed, Receive returns its error, with its errno. io.EOF means that the
// other side has exited or closed its end. After os.ErrDeadlineExceeded, you can call Receive
// again.
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
			// A decoder keeps its first error. The next call needs a new one, with the bytes read
			// so far.
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

// Next is Receive without a time limit, for a child that waits for requests: a reader can pause for
// long between two steps. When the parent exits, for whatever reason, Next returns io.EOF.
func (c *Conn) Next(v any) error { return c.receive(v, time.Time{}) }

// Wait blocks, without a time limit, until the other side closes its end or sends something. A
// child that only holds a namespace open calls it last: when the parent exits, for whatever reason,
// so does the child.
func (c *Conn) Wait() { _ = c.Next(nil) }

// File returns the socket, for callers that must pass it to another process.
func (c *Conn) File() *os.File { return c.file }

// Close closes this end of the conversation.
func (c *Conn) Close() error { return c.file.Close() }

// Register registers a function for children under a name, and returns the name. Call it in a
// package-level variable or an init function, so that it runs before main. If the function fails,
// the parent's Receive returns its error, and the child exits with status 1.
func Register(name string, f func(*Conn) error) string {
	reexec.Register(prefix+name, func() {
		fd, err := strconv.Atoi(os.Getenv(connEnv))
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: started without a parent: %s is not a file descriptor\n",
				os.Args[0], connEnv)
			os.Exit(2)
		}
		_ = os.Unsetenv(connEnv)
		syscall.CloseOnExec(fd)
		// Go's poller accepts only a file descriptor that is non-blocking already. Deadlines need
		// it.
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

// Init runs the registered function if this process is a child. It must be the first call of main
// and of TestMain.
func Init() {
	// A child that another process starts (see Argv) has its name in its arguments, not in argv[0]
	// and the environment.
	if len(os.Args) == 4 && strings.HasPrefix(os.Args[0], "/proc/self/fd/") && strings.HasPrefix(os.Args[1], prefix) {
		signal.Ignore(syscall.SIGQUIT) // or Go prints a stack trace of each goroutine
		_ = os.Setenv(connEnv, os.Args[2])
		os.Args = os.Args[1:2]
	}
	reexec.Init()
}

// Argv returns a command line that runs the function registered as name where this program's file
// does not exist: in a container with its own root. File descriptor exe is the program, and conn is
// the child's end of a conversation (see Pair). The process that starts the command must pass both.
// tag marks the process for a search of /proc.
func Argv(name string, exe, conn int, tag string) []string {
	return []string{"/proc/self/fd/" + strconv.Itoa(exe), prefix + name, strconv.Itoa(conn), tag}
}

// Pair creates the two ends of a conversation: ours to use here, theirs to pass to a child as a
// file descriptor.
func Pair() (ours *Conn, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return newConn(os.NewFile(uintptr(fds[0]), "parent")), os.NewFile(uintptr(fds[1]), "child"), nil
}

// Self returns a path by which a child can execute this program: /proc/self/exe, or a copy in
// memory if other users cannot execute the file (such as one built under umask 077). Root in a new
// user namespace can be such a user.
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

// executableForLife returns Executable's file as a bare file descriptor, which the garbage
// collector does not close. Its number is high, so that no file for a child replaces it before the
// child executes it.
func executableForLife() (int, error) {
	exe, err := Executable()
	if err != nil {
		return -1, err
	}
	defer exe.Close()
	return unix.FcntlInt(exe.Fd(), unix.F_DUPFD_CLOEXEC, 50)
}

// A Process is a child that runs a registered function, with the parent's end of the conversation.
type Process struct {
	*exec.Cmd
	*Conn
	theirs *os.File
}

// Command prepares a child that runs the function registered as name. Set SysProcAttr, Dir, Env or
// the standard streams before Start. The files in extra are file descriptors 3 and up in the child,
// in order. The kernel kills the child when the thread that started it exits (prctl(2),
// PR_SET_PDEATHSIG). So start it from the main goroutine, which is locked to the main thread.
//
// The child has its own process group, because Ctrl-C and Ctrl-\ at the terminal are for the
// program, which terminates the child. On Ctrl-\, the child itself would print a stack trace of
// each goroutine.
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

// StartBy starts the child with the function start, for what os/exec cannot do. start gets the
// program and the files for the child's file descriptors 0, 1, 2…, and returns the PID. The child's
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
	if p.Err != nil { // os/exec's Start also checks this first: preparing the command failed
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

// Wait waits until the child exits and returns what exec.Cmd.Wait returns.
func (p *Process) Wait() error { return p.Cmd.Wait() }

// Close closes the conversation, kills the child if it still runs, and waits for it. A second call
// has no effect.
func (p *Process) Close() error {
	_ = p.Conn.Close()
	if p.Process == nil || p.ProcessState != nil {
		return nil
	}
	_ = p.Process.Kill()
	_ = p.Cmd.Wait() // the error says that the child was killed, as intended
	return nil
}

// Executable returns a copy of this program in memory that every user can read and execute: the
// file is not in the container's root, or root in the container is not allowed to read it
// (memfd_create(2)).
func Executable() (*os.File, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	// MFD_EXEC, since Linux 6.3: if the sysctl vm.memfd_noexec is 1, a file without it can't be
	// executed.
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
	// Executing a file that is open for writing fails with ETXTBSY, so reopen it read-only.
	defer mem.Close()
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
}
