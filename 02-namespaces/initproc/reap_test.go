//go:build linux

package initproc

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
)

// Number 1 returns how the payload ended, whoever else ends before it.
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
	exited, killed, orphaned := run("exit 3"), run("kill -KILL $$"), run("(sh -c 'exit 7' &) | cat; exit 4")
	claim.State(t, "status of exit 3", exited)
	claim.State(t, "status after SIGKILL", killed)
	claim.State(t, "status of exit 4 after an orphan's exit 7", orphaned)
	claim.Equal(t, "a payload that exits with 3 gives 3", "wait4(2)", 3, exited)
	claim.Equal(t, "an orphan that ends first is not taken for the payload, which exits with 4", "wait4(2)", 4, orphaned)
	claim.Equal(t, "a payload that signal 9 kills gives 128 + 9", "wait4(2)", 137, killed)
}

type stopped struct {
	Status int    // what reap returned
	State  string // of the payload, when we were tired of waiting
}

var stopping = room.New("reap-stopped", 0, func(s *stopped) error {
	payload := exec.Command("sh", "-c", "kill -TSTP $$; exit 5")
	payload.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL} // as a payload with a terminal has it
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

// Who has stopped has not ended: it is woken up, and ends later.
func TestReapStopped(t *testing.T) {
	saw, err := stopping.Run(t)
	claim.State(t, "status after a stop and exit 5", saw.Status)
	claim.State(t, "state after three seconds", saw.State)
	claim.NoError(t, "number 1 waits for a payload that stops", err)
	claim.Equal(t, "a payload that stops is woken up, and then exits with 5", "wait4(2)", 5, saw.Status)
}

// Number 1 waits for orphans too, while the payload runs: none stays a zombie.
func TestReapOrphans(t *testing.T) {
	probe(t, namespace.AsNeeded(namespace.PID|namespace.Mount))
	// The host's /proc, seen from outside: three orphans end, and the payload runs on.
	cmd := initCommand("sh", "-c", "for i in 1 2 3; do (sleep 0.1 &) ; done; echo started; read x")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	_, err = io.ReadAtLeast(out, make([]byte, 16), len("started\n"))
	claim.NoError(t, "number 1 stays as long as the payload runs", err)
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
	claim.Equal(t, "of three orphans that have ended, none is left as a zombie", "/proc/PID/status", 0, zombies)
	claim.Equal(t, "the payload is the one child that number 1 has", "/proc/PID/status", 1, all)
	require.NoError(t, in.Close())
	defer time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() }).Stop()
	_ = cmd.Wait()
	claim.Equal(t, "and ends as it ends, when its input ends", "wait4(2)", 1, cmd.ProcessState.ExitCode())
}
