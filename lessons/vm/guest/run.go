//go:build linux

package guest

import (
	"errors"
	"fmt"
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

// run runs the command, carries what it reads and writes over the stream, and buries every orphan of the machine, as
// the first process must.
func run(s *wire.Start, in io.Reader, out *wire.Writer) wire.Exit {
	signal.Ignore(unix.SIGINT) // Ctrl-Alt-Del
	os.Clearenv()
	for _, e := range s.Env {
		name, value, _ := strings.Cut(e, "=")
		_ = os.Setenv(name, value)
	}
	if err := os.Chdir(s.Dir); err != nil {
		return wire.Exit{Status: 1, Error: err.Error()}
	}
	path, err := exec.LookPath(s.Argv[0])
	if err != nil {
		status := 127 // as shells say: not found; 126: found, and cannot be executed
		if errors.Is(err, os.ErrPermission) {
			status = 126
		}
		return wire.Exit{Status: status, Error: err.Error()}
	}
	attr := &syscall.ProcAttr{Env: s.Env, Dir: s.Dir, Sys: &syscall.SysProcAttr{Setsid: true}}
	if s.User == learner {
		done, err := becomeLearner(attr)
		if err != nil {
			return wire.Exit{Status: 1, Error: err.Error()}
		}
		defer done()
	}
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
		if attr.Sys.Credential != nil {
			_ = tty.Chown(int(attr.Sys.Credential.Uid), -1)
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
		if attr.Sys.Credential != nil {
			// He may open /dev/stdout by its name only if it is his.
			for _, f := range theirs {
				_ = f.Chown(int(attr.Sys.Credential.Uid), int(attr.Sys.Credential.Gid))
			}
		}
		copyOut(wire.KindOut, pipes[1][0])
		copyOut(wire.KindErr, pipes[2][0])
	}
	for _, f := range theirs {
		attr.Files = append(attr.Files, f.Fd())
	}
	argv := s.Argv
	if s.Login {
		argv = append([]string{"-" + argv[0][strings.LastIndexByte(argv[0], '/')+1:]}, argv[1:]...)
	}
	pid, err := syscall.ForkExec(path, argv, attr)
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		return wire.Exit{Status: 126, Error: (&os.PathError{Op: "exec", Path: path, Err: err}).Error()}
	}
	_ = out.Write(wire.KindRuns, nil)
	go serve(in, out, pid, input, terminal)

	status := reap(pid)
	// Its descendants must not keep the machine: as first process we may signal everybody else at once (kill(2)).
	_ = unix.Kill(-1, unix.SIGKILL)
	waitTimeout(&outputs, 2*time.Second)
	return wire.Exit{Status: status}
}

// serve carries out what the host says while the command runs. When the host is gone, everything ends.
func serve(in io.Reader, out *wire.Writer, pid int, input io.WriteCloser, terminal *os.File) {
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
			_ = unix.Kill(-pid, unix.Signal(data[0]))
		case kind == wire.KindSize && terminal != nil && len(data) == 4:
			size := wire.ParseSize(data)
			_ = pty.Setsize(terminal, &pty.Winsize{Rows: size.Rows, Cols: size.Cols})
		}
	}
}

// reap waits for children, whoever's they were, until the command has ended.
func reap(command int) (status int) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 1 // ECHILD: somebody else has waited for it, which nobody here does
		case pid == command && ws.Exited():
			return ws.ExitStatus()
		case pid == command && ws.Signaled():
			return 128 + int(ws.Signal())
		}
	}
}

func waitTimeout(w *sync.WaitGroup, d time.Duration) {
	done := make(chan struct{})
	go func() { w.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(d):
	}
}

// becomeLearner makes the process that attr is for the ordinary user's, born in his cgroup (clone3(2),
// CLONE_INTO_CGROUP).
func becomeLearner(attr *syscall.ProcAttr) (done func(), err error) {
	var st unix.Stat_t
	if err := unix.Stat(learnerHome, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: learnerHome, Err: err}
	}
	fd, err := unix.Open(leaf, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: leaf, Err: err}
	}
	attr.Sys.Credential = &syscall.Credential{Uid: st.Uid, Gid: st.Gid}
	attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, fd
	return func() { unix.Close(fd) }, nil
}

// asLearner is what "learner COMMAND…" does: this process becomes the ordinary user's, and then the command.
func asLearner(argv []string) error {
	return fmt.Errorf("not yet %v", argv)
}
