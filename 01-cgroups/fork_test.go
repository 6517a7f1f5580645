//go:build linux

package main

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestCopiesAreNotPreempted forks while the garbage collector keeps asking every goroutine to stop.
// A forked child that stopped would wait forever for threads that it does not have.
func TestCopiesAreNotPreempted(t *testing.T) {
	stop, stopped := make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	hang, copies := 0, 0
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); copies++ {
		pid := rawFork()
		if pid == 0 {
			sleepRaw(time.Microsecond)
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		require.Positive(t, pid)
		got, end := 0, time.Now().Add(2*time.Second)
		for ; got == 0 && time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
			var err error
			// WALL, because the child sends no signal when it exits.
			got, err = unix.Wait4(pid, nil, unix.WNOHANG|unix.WALL, nil)
			require.NoError(t, err)
		}
		if got == 0 {
			hang++
			require.NoError(t, unix.Kill(pid, unix.SIGKILL))
			_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
		}
	}
	require.Zero(t, hang, "children hang, of %d", copies)
}
