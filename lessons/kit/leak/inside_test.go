//go:build linux

package leak

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/child"
)

// The probe kills the victim, and no other process that happens to have its PID.
func TestKillProcess(t *testing.T) {
	for secret, killed := range map[string]bool{"its own": true, "of another process": false} {
		p, err := child.Command(idler)
		require.NoError(t, err)
		p.Args = append(p.Args, "its own")
		require.NoError(t, p.Start())
		require.NoError(t, p.Receive(nil)) // now it has its command line
		leaks, saw := killProcess(Markers{Victim: p.Process.Pid, Secret: secret})
		require.Equal(t, killed, leaks, saw)
		_ = p.Process.Signal(unix.SIGTERM) // no effect if it was killed already
		_ = p.Wait()
		status := p.ProcessState.Sys().(syscall.WaitStatus)
		require.Equal(t, killed, status.Signal() == unix.SIGKILL, "terminated by %s", status.Signal())
	}
}
