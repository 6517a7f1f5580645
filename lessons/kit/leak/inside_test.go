//go:build linux

package leak

import (
	"runtime"
	"syscall"
	"testing"
	"time"

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
		require.NoError(t, p.Receive(nil)) // now the kernel has set its command line
		leaks, saw := killProcess(Markers{Victim: p.Process.Pid, Secret: secret})
		require.Equal(t, killed, leaks, saw)
		_ = p.Process.Signal(unix.SIGTERM) // no effect if it was killed already
		_ = p.Wait()
		status := p.ProcessState.Sys().(syscall.WaitStatus)
		require.Equal(t, killed, status.Signal() == unix.SIGKILL, "terminated by %s", status.Signal())
	}
}

// The processes of the fork probe are killed when the attacker exits, for whatever reason, also
// without a cgroup.
func TestForkedProcessesEndWithTheirParent(t *testing.T) {
	p, err := child.Command(forker)
	require.NoError(t, err)
	require.NoError(t, p.Start())
	defer p.Close()
	var pids []int
	require.NoError(t, p.Receive(&pids))
	require.Len(t, pids, 5)
	var fds []int
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		require.NoError(t, err)
		defer unix.Close(fd)
		fds = append(fds, fd)
	}
	require.NoError(t, p.Process.Kill())
	_ = p.Wait()
	for i, fd := range fds {
		t.Cleanup(func() { _ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) })
		require.Eventually(t, func() bool { // poll(2): a pidfd is readable when its process has exited
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n == 1
		}, 10*time.Second, 5*time.Millisecond, "process %d of %v outlives its parent", i, pids)
	}
}

// forker forks as the probe does, and waits.
var forker = child.Register("test-forker", func(c *child.Conn) error {
	runtime.LockOSThread()
	var pids []int
	for range 5 {
		pid, errno := forkIdle()
		if errno != 0 {
			return errno
		}
		pids = append(pids, pid)
	}
	if err := c.Send(pids); err != nil {
		return err
	}
	c.Wait()
	return nil
})
