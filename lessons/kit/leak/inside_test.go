//go:build linux

package leak

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The probe kills the victim, and no other process that happens to have its number.
func TestKillProcess(t *testing.T) {
	for secret, killed := range map[string]bool{"60": true, "of another process": false} {
		cmd := exec.Command("sleep", "60")
		require.NoError(t, cmd.Start())
		leaks, saw := killProcess(Markers{Victim: cmd.Process.Pid, Secret: secret})
		require.Equal(t, killed, leaks, saw)
		_ = cmd.Process.Signal(unix.SIGTERM) // what is dead already is not ended by it
		_ = cmd.Wait()
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		require.Equal(t, killed, status.Signal() == unix.SIGKILL, "ended by %s", status.Signal())
	}
}
