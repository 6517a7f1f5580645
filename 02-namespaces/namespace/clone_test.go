//go:build linux

package namespace

import (
	"io"
	"iter"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// startSh starts a shell in new namespaces and returns what it said and how it ended.
func startSh(t *testing.T, s Spec, b Birth, script string) (string, unix.WaitStatus) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	pid, err := s.Start("/bin/sh", []string{"sh", "-c", script}, []string{"A=b", "PATH=/usr/bin:/bin"}, []*os.File{null, w, w, w}, b)
	require.NoError(t, err)
	w.Close()
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	var ws unix.WaitStatus
	_, err = unix.Wait4(pid, &ws, 0, nil)
	require.NoError(t, err)
	return strings.TrimSpace(string(out)), ws
}

// Start does what os/exec does with the same namespaces: descriptors in place, the environment, default signals, nobody's
// groups, root inside with all capabilities, and a pidfd.
func TestStart(t *testing.T) {
	if !Capable(unix.CAP_SYS_ADMIN) {
		if out, err := os.ReadFile("/proc/sys/user/max_user_namespaces"); err != nil || strings.TrimSpace(string(out)) == "0" {
			t.Skip("user namespaces are switched off: /proc/sys/user/max_user_namespaces")
		}
	}
	pidfd := -1
	out, ws := startSh(t, Container(), Birth{PidFD: &pidfd, DeathSignal: unix.SIGKILL},
		"echo $A; echo three >&3; echo $$; id -u; grep -E '^(Groups|CapEff|SigBlk|SigCgt|SigIgn):' /proc/self/status; exit 7")
	require.Equal(t, 7, ws.ExitStatus())
	lines := strings.Split(out, "\n")
	require.Equal(t, []string{"b", "three", "1", "0"}, lines[:4])
	status := strings.Join(lines[4:], "\n")
	require.NotContains(t, status, "CapEff:\t0000000000000000")
	require.Contains(t, status, "SigBlk:\t0000000000000000")
	require.Contains(t, status, "SigIgn:\t0000000000000000")
	if Container().Setgroups {
		require.Regexp(t, `(?m)^Groups:\s*$`, status)
	}
	require.Greater(t, pidfd, 2)
	require.NoError(t, unix.Close(pidfd))

	_, err := Container().Start("/no/such/program", []string{"x"}, nil, nil, Birth{})
	require.ErrorIs(t, err, unix.ENOENT)
	bad := Container()
	bad.UIDs = []IDMap{{0, 4000000000, 1}, {0, 4000000000, 1}}
	_, err = bad.Start("/bin/true", []string{"x"}, nil, nil, Birth{})
	require.ErrorIs(t, err, unix.EINVAL)
	_, ws = startSh(t, Spec{}, Birth{}, "kill -TERM $$; sleep 5")
	require.True(t, ws.Signaled() && ws.Signal() == unix.SIGTERM, "signals are blocked or caught: %v", ws)
}

// often counts to n, but for no longer than five seconds: what goes wrong by chance shows where the machine is quick, and an
// emulated one need not go on for a minute.
func often(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		end := time.Now().Add(5 * time.Second)
		for i := 0; i < n && (i < 3 || time.Now().Before(end)); i++ {
			if !yield(i) {
				return
			}
		}
	}
}

// The child runs in our memory while we go on. Neither the collector, which moves stacks, nor other threads may disturb it.
func TestStartWhileMuchGoesOn(t *testing.T) {
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = strings.Repeat("x", 1<<16)
					runtime.GC()
					_ = syscall.Kill(os.Getpid(), unix.SIGURG) // the runtime's own signal
				}
			}
		})
	}
	for range often(100) {
		out, ws := startSh(t, Spec{}, Birth{}, "echo $A; exit 5")
		require.Equal(t, "b", out, "%v", ws)
		require.Equal(t, 5, ws.ExitStatus())
	}
	close(stop)
	others.Wait()
}

// A file that nobody but the caller's arguments hold stays open until the child has it: Go's collector closes a file that
// is no longer used, and then its number is no use. Here it comes by all the time, and a long environment gives it time.
func TestFilesStayOpenUntilTheChildHasThem(t *testing.T) {
	long := make([]string, 50_000)
	for i := range long {
		long[i] = "A=" + strconv.Itoa(i)
	}
	for _, test := range []struct {
		name  string
		start func(files []*os.File) (pid int, err error)
	}{
		{"Start", func(files []*os.File) (int, error) {
			return Spec{}.Start("/bin/true", []string{"true"}, long, files, Birth{})
		}},
		{"the payload's start", func(files []*os.File) (int, error) { return start([]string{"/bin/true"}, long, files, nil) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stop atomic.Bool
			var collector sync.WaitGroup
			collector.Go(func() {
				for !stop.Load() {
					runtime.GC()
				}
			})
			defer collector.Wait()
			defer stop.Store(true)
			for range often(40) {
				var files []*os.File
				for range 3 {
					f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
					require.NoError(t, err)
					files = append(files, f)
				}
				pid, err := test.start(files)
				require.NoError(t, err)
				var ws unix.WaitStatus
				_, err = unix.Wait4(pid, &ws, 0, nil)
				require.NoError(t, err)
				require.Zero(t, ws.ExitStatus())
			}
		})
	}
}

// A start that fails leaves no process, no number of one, and no descriptor.
func TestAStartThatFailsLeavesNothing(t *testing.T) {
	open := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(fds)
	}
	twice := Spec{New: User, UIDs: []IDMap{{0, 0, 1}, {0, 0, 1}}}
	before := open()
	for range 3 {
		pidfd := -1
		pid, err := Spec{}.Start("/no/such/program", []string{"x"}, nil, nil, Birth{PidFD: &pidfd})
		require.ErrorIs(t, err, unix.ENOENT)
		require.Zero(t, pid)
		pid, err = twice.Start("/bin/true", []string{"x"}, nil, nil, Birth{PidFD: &pidfd})
		require.Error(t, err)
		require.Zero(t, pid)
	}
	require.Equal(t, before, open())
}
