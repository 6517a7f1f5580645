//go:build linux

package guest

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"containerkit/lessons/vm/wire"
)

// run runs the command, carries what it reads and writes over the stream, and reaps every orphan of the machine, as
// the first process must.
func run(s *wire.Start, uid int, in io.Reader, out *wire.Writer) wire.Exit {
	// Ctrl-Alt-Del is nothing to us. (To ignore it would be to have the command ignore it too: execve(2).)
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT)
	os.Clearenv()
	for _, e := range s.Env {
		name, value, _ := strings.Cut(e, "=")
		_ = os.Setenv(name, value)
	}
	if err := os.Chdir(s.Dir); err != nil {
		return wire.Exit{Status: 1, Error: err.Error()}
	}
	argv := s.Argv
	if s.User == learner {
		argv = append([]string{binDir + "/" + learner}, argv...)
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return wire.Exit{Status: statusOf(err), Error: err.Error()}
	}
	attr := &syscall.ProcAttr{Env: s.Env, Dir: s.Dir, Sys: &syscall.SysProcAttr{Setsid: true}}
	var input io.WriteCloser
	var theirs []*os.File
	var outputs sync.WaitGroup
	copyOut := func(kind wire.Kind, f *os.File) {
		outputs.Add(1)
		go func() {
			defer outputs.Done()
			buf := make([]byte, 32<<10)
			for {
				n, err := f.Read(buf)
				if n > 0 && out.Write(kind, buf[:n]) != nil || err != nil {
					return
				}
			}
		}()
	}
	var terminal *os.File
	if s.TTY {
		ours, tty, err := pty.Open()
		if err == nil {
			err = pty.Setsize(ours, &pty.Winsize{Rows: s.Size.Rows, Cols: s.Size.Cols})
		}
		if err != nil {
			return wire.Exit{Status: 1, Error: "a terminal: " + err.Error()}
		}
		if s.User == learner {
			_ = os.Chown(tty.Name(), uid, -1) // he may open it by its name, as login(1) sees to
		}
		terminal, input, theirs = ours, ours, []*os.File{tty, tty, tty}
		attr.Sys.Setctty = true
		copyOut(wire.KindOut, ours)
	} else {
		var pipes [3][2]*os.File
		for i := range pipes {
			if pipes[i][0], pipes[i][1], err = os.Pipe(); err != nil {
				return wire.Exit{Status: 1, Error: err.Error()}
			}
		}
		input, theirs = pipes[0][1], []*os.File{pipes[0][0], pipes[1][1], pipes[2][1]}
		if s.User == learner {
			for _, f := range theirs {
				_ = f.Chown(uid, uid) // as above: /dev/stdout
			}
		}
		copyOut(wire.KindOut, pipes[1][0])
		copyOut(wire.KindErr, pipes[2][0])
	}
	for _, f := range theirs {
		attr.Files = append(attr.Files, f.Fd())
	}
	pid, err := syscall.ForkExec(path, argv, attr)
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		return wire.Exit{Status: statusOf(err), Error: (&os.PathError{Op: "exec", Path: path, Err: err}).Error()}
	}
	_ = out.Write(wire.KindRuns, nil)
	c := &command{pid: pid}
	go serve(in, out, c, input, terminal)

	status := c.reap()
	// Its descendants must not keep the machine: as first process we may signal everybody else at once (kill(2)).
	_ = unix.Kill(-1, unix.SIGKILL)
	waitTimeout(&outputs, 2*time.Second)
	return wire.Exit{Status: status}
}

// statusOf is what shells say of a command that cannot be run: 127 if it is not there, else 126.
func statusOf(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return 127
	}
	return 126
}

// serve carries out what the host says while the command runs. When the host is gone, everything ends.
func serve(in io.Reader, out *wire.Writer, c *command, input io.WriteCloser, terminal *os.File) {
	// The command may not read, and must still get signals: so its input is written by somebody else.
	chunks := make(chan []byte, 1)
	go func() {
		for data := range chunks {
			if len(data) == 0 {
				if terminal == nil {
					input.Close()
				} else {
					_, _ = input.Write([]byte{4}) // Ctrl-D: the end of input on a terminal
				}
			} else if _, err := input.Write(data); err != nil && terminal == nil {
				input.Close() // it does not want any more: the host reads on, as a pipe's writer would not
			}
			_ = out.Write(wire.KindTaken, nil)
		}
	}()
	for {
		kind, data, err := wire.Read(in)
		if err != nil {
			_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
			return
		}
		switch {
		case kind == wire.KindInput:
			chunks <- data
		case kind == wire.KindSignal && len(data) == 1:
			c.signal(unix.Signal(data[0]))
		case kind == wire.KindSize && terminal != nil && len(data) == 4:
			size := wire.ParseSize(data)
			_ = pty.Setsize(terminal, &pty.Winsize{Rows: size.Rows, Cols: size.Cols})
		}
	}
}

// A command is the process group of what the host asked for, as long as it is not reaped: from then
// on its number can be another's. (A pidfd signals a whole group from Linux 6.9 on,
// pidfd_send_signal(2).)
type command struct {
	pid int

	mu     sync.Mutex
	reaped bool
}

// signal signals the group, if its leader is not reaped.
func (c *command) signal(s unix.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = unix.Kill(-c.pid, s)
	}
}

// reap reaps children, orphans too, until it has reaped the command, and returns its status
// as a shell would.
func (c *command) reap() (status int) {
	for {
		// First without reaping (WNOWAIT), so that signal does not come between.
		err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if status, done := c.reapOne(err); done {
			return status
		}
	}
}

// reapOne reaps a child that has ended, and reports whether it was the command. err is why there is
// none.
func (c *command) reapOne(err error) (status int, done bool) {
	if err != nil {
		return 1, true // ECHILD: another thread has waited for it, which none here does
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var ws unix.WaitStatus
	pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
	switch {
	case err != nil || pid != c.pid:
		return 0, false
	case ws.Exited():
		status = ws.ExitStatus()
	case ws.Signaled():
		status = 128 + int(ws.Signal())
	}
	c.reaped = true
	return status, true
}

func waitTimeout(w *sync.WaitGroup, d time.Duration) {
	done := make(chan struct{})
	go func() { w.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(d):
	}
}
