//go:build linux

package namespace

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The fork for kernels before 6.3 does what Go's does: descriptors in place, the environment, default signals, and an
// error that says why nothing was executed.
func TestForkCopy(t *testing.T) {
	for range often(50) {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		null, err := os.Open(os.DevNull)
		require.NoError(t, err)
		pid, err := forkCopy("/bin/sh", []string{"sh", "-c", "echo $A; echo three >&3; exit 7"}, &syscall.ProcAttr{
			Env: []string{"A=b"}, Files: []uintptr{null.Fd(), w.Fd(), w.Fd(), w.Fd()}})
		require.NoError(t, err)
		w.Close()
		null.Close()
		out, err := io.ReadAll(r)
		require.NoError(t, err)
		r.Close()
		require.Equal(t, "b\nthree\n", string(out))
		var ws unix.WaitStatus
		_, err = unix.Wait4(pid, &ws, 0, nil)
		require.NoError(t, err)
		require.Equal(t, 7, ws.ExitStatus())
	}
	// A session of its own, without a terminal: the sixth field of proc_pid_stat(5) is its leader.
	r, w, err := os.Pipe()
	require.NoError(t, err)
	leader, err := forkCopy("/bin/sh", []string{"sh", "-c", "read -r _ _ _ _ _ session _ </proc/self/stat; echo $session"},
		&syscall.ProcAttr{Files: []uintptr{0, w.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true}})
	require.NoError(t, err)
	w.Close()
	said, err := io.ReadAll(r)
	require.NoError(t, err)
	r.Close()
	_, err = unix.Wait4(leader, nil, 0, nil)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintln(leader), string(said))

	_, err = forkCopy("/no/such/program", []string{"x"}, &syscall.ProcAttr{})
	require.ErrorIs(t, err, unix.ENOENT)
	pid, err := forkCopy("/bin/sh", []string{"sh", "-c", "kill -TERM $$; sleep 5"}, &syscall.ProcAttr{})
	require.NoError(t, err)
	var ws unix.WaitStatus
	_, err = unix.Wait4(pid, &ws, 0, nil)
	require.NoError(t, err)
	require.True(t, ws.Signaled() && ws.Signal() == unix.SIGTERM, "signals are blocked or caught: %v", ws)
}
