//go:build linux

package initproc

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
)

// orphanFirst exits with 4 after an orphan exited with 7 and was reaped. A shell that waits for the
// end of a pipe is not enough: an exiting process closes its files before its parent gets SIGCHLD.
const orphanFirst = `
	p=$(sh -c '(sleep 0.01; exit 7) >/dev/null & echo $!')
	i=0
	while kill -0 $p 2>/dev/null && [ $i -lt 100 ]; do sleep 0.02; i=$((i+1)); done
	exit 4`

// PID 1 returns the status of the command, whichever processes exit before it.
func TestReapStatus(t *testing.T) {
	probe(t, namespace.AsNeeded(namespace.PID|namespace.Mount))
	run := func(script string) int {
		cmd := initCommand("sh", "-c", script)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		tooLong := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer tooLong.Stop()
		_ = cmd.Wait()
		return cmd.ProcessState.ExitCode() // -1 if it was killed
	}
	exited, killed, orphaned := run("exit 3"), run("kill -KILL $$"), run(orphanFirst)
	claim.State(t, "status of exit 3", exited)
	claim.State(t, "status after SIGKILL", killed)
	claim.State(t, "status of exit 4 after an orphan's exit 7", orphaned)
	claim.Equal(t, "PID 1 returns 3 for a command that exits with 3", "wait4(2)", 3, exited)
	claim.Equal(t, "PID 1 returns the command's 4, not the 7 of an orphan that exits first",
		"wait4(2)", 4, orphaned)
	claim.Equal(t, "PID 1 returns 128 + 9 for a command that signal 9 kills", "wait4(2)", 137,
		killed)
}

type stopped struct {
	Status int    // what reap returned
	State  string // of the command, after three seconds
}

var stopping = room.New("reap-stopped", 0, func(s *stopped) error {
	payload := exec.Command("sh", "-c", "kill -TSTP $$; exit 5")
	// like a command with a terminal
	payload.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if err := payload.Start(); err != nil {
		return err
	}
	tired := time.AfterFunc(3*time.Second, func() {
		s.State, _ = procfs.Status(payload.Process.Pid, "State")
		_ = unix.Kill(payload.Process.Pid, unix.SIGKILL)
	})
	defer tired.Stop()
	status, err := reap(payload.Process.Pid, unix.WUNTRACED)
	s.Status = status
	return err
})

// A command that has stopped has not exited: PID 1 wakes it up, and it exits later.
func TestReapStopped(t *testing.T) {
	saw, err := stopping.Run(t)
	claim.State(t, "status after a stop and exit 5", saw.Status)
	claim.State(t, "state after three seconds", saw.State)
	claim.NoError(t, "PID 1 waits for a command that stops", err)
	claim.Equal(t, "PID 1 wakes up a command that stops, and then returns its 5", "wait4(2)", 5,
		saw.Status)
}

type interrupted struct {
	Status  int // what reap returned
	Signals int // that our handler received meanwhile
}

var interrupting = room.New("reap-interrupted", 0, func(s *interrupted) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1)
	if err := noRestart(unix.SIGUSR1); err != nil {
		return err
	}
	command := exec.Command("sh", "-c", "read x; exit 5")
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	in, err := command.StdinPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	waiter, done, counted := unix.Gettid(), make(chan struct{}), make(chan int)
	go func() {
		count := 0
		for ; count < 20; count++ { // some can arrive while reap is between two calls
			sleeps(waiter)
			_ = unix.Tgkill(unix.Getpid(), waiter, unix.SIGUSR1)
			select {
			case <-signals:
			case <-done:
				counted <- count
				return
			}
		}
		_ = in.Close()
		counted <- count
	}()
	s.Status, err = reap(command.Process.Pid, 0)
	close(done)
	s.Signals = <-counted
	return err
})

// noRestart makes a signal that Go handles interrupt system calls: without SA_RESTART they return
// EINTR. A library in C can install such a handler. (sigaction(2))
func noRestart(sig unix.Signal) error {
	const restart = 0x10000000
	var action [4]uintptr // handler, flags, restorer, mask
	for _, old := range []bool{true, false} {
		set, get := uintptr(unsafe.Pointer(&action)), uintptr(0)
		if old {
			set, get = get, set
		}
		if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), set, get, 8, 0, 0); e != 0 {
			return os.NewSyscallError("rt_sigaction", e)
		}
		action[1] &^= restart
	}
	return nil
}

// sleeps waits until one of our threads sleeps in the kernel.
func sleeps(tid int) {
	for range 1000 {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", tid))
		if _, state, ok := strings.Cut(string(raw), ") "); err != nil || ok && state[0] == 'S' {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// A signal that arrives while PID 1 waits does not stop the wait.
func TestReapInterrupted(t *testing.T) {
	saw, err := interrupting.Run(t)
	claim.State(t, "signals", saw.Signals)
	claim.State(t, "status of exit 5 after signals", saw.Status)
	claim.NoError(t, "PID 1 waits again after a signal interrupts its wait4(2)", err)
	claim.Equal(t, "PID 1 returns 5 for a command that exits with 5 after them", "wait4(2)", 5,
		saw.Status)
}

// PID 1 reaps orphans, too, while the command runs: none stays a zombie.
func TestReapOrphans(t *testing.T) {
	probe(t, namespace.AsNeeded(namespace.PID|namespace.Mount))
	// The host's /proc, read from outside: three orphans exit while the command runs.
	cmd := initCommand("sh", "-c", "for i in 1 2 3; do (sleep 0.1 &) ; done; echo started; read x")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	_, err = io.ReadAtLeast(out, make([]byte, 16), len("started\n"))
	claim.NoError(t, "PID 1 runs as long as the command", err)
	children := func() (all, zombies int) {
		pids, err := procfs.Processes()
		require.NoError(t, err)
		for _, pid := range pids {
			if parent, err := procfs.Status(pid, "PPid"); err == nil && parent == fmt.Sprint(cmd.Process.Pid) {
				all++
				if state, err := procfs.Status(pid, "State"); err == nil && state[0] == 'Z' {
					zombies++
				}
			}
		}
		return all, zombies
	}
	all, zombies := children()
	for end := time.Now().Add(3 * time.Second); all != 1 && time.Now().Before(end); all, zombies = children() {
		time.Sleep(20 * time.Millisecond)
	}
	claim.State(t, "zombies", zombies)
	claim.Equal(t, "PID 1 reaps three orphans that exit", "/proc/PID/status", 0, zombies)
	claim.Equal(t, "the command is the only child of PID 1", "/proc/PID/status", 1, all)
	require.NoError(t, in.Close())
	defer time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() }).Stop()
	_ = cmd.Wait()
	claim.Equal(t, "PID 1 returns the command's status after its input is closed", "wait4(2)", 1,
		cmd.ProcessState.ExitCode())
}
