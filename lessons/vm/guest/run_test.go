//go:build linux

package guest

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// started starts a shell that leads a process group, for a test that waits for it itself.
func started(t *testing.T, script string) int {
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	return cmd.Process.Pid
}

func TestTheCommandsStatusIsAShells(t *testing.T) {
	started(t, "exit 3") // an orphan
	c := &command{pid: started(t, "sleep 0.1; exit 7")}
	require.Equal(t, 7, c.reap())
	c = &command{pid: started(t, "kill -TERM $$")}
	require.Equal(t, 128+15, c.reap())
}

// TestACommandThatIsReapedGetsNoSignal plays a command whose number another process has got.
func TestACommandThatIsReapedGetsNoSignal(t *testing.T) {
	c := &command{pid: started(t, "exit 0")}
	require.Zero(t, c.reap())
	other := &command{pid: started(t, "exec sleep 100")}
	c.pid = other.pid
	c.signal(unix.SIGKILL)
	other.signal(unix.SIGTERM)
	require.Equal(t, 128+15, other.reap(), "by another signal than its own")
}
