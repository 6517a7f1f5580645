//go:build linux

package namespace

import (
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
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

// needProcessor skips where there is no assembly.
func needProcessor(t *testing.T) {
	t.Helper()
	if !assembled {
		t.Skip("no assembly for " + runtime.GOARCH)
	}
	if raw, err := os.ReadFile("/proc/sys/user/max_user_namespaces"); !Capable(unix.CAP_SYS_ADMIN) && err == nil && strings.TrimSpace(string(raw)) == "0" {
		t.Skip("user namespaces are switched off: /proc/sys/user/max_user_namespaces")
	}
}

// vforkSh starts a shell in new namespaces, by way of inside if there is one, and returns what it said and how it ended.
func vforkSh(t *testing.T, s Spec, script string, inside func()) (string, unix.WaitStatus) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	sh, err := unix.Open("/bin/sh", unix.O_PATH|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(sh)
	p, err := s.Vfork(Birth{DeathSignal: unix.SIGKILL}, func(p Process) (Program, error) {
		if inside != nil {
			inside()
		}
		if err := unix.Unshare(unix.CLONE_FILES); err != nil { // or the test would lose its standard output
			return Program{}, err
		}
		return Program{sh, []string{"sh", "-c", script}, []string{"A=b", "PATH=/usr/bin:/bin"}}, unix.Dup3(int(w.Fd()), 1, 0)
	})
	w.Close()
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	return strings.TrimSpace(string(out)), end(t, p)
}

// end waits for a process and closes its descriptor.
func end(t *testing.T, p Process) (ws unix.WaitStatus) {
	t.Helper()
	_, err := unix.Wait4(p.PID, &ws, 0, nil)
	require.NoError(t, err)
	require.NoError(t, unix.Close(p.PidFD))
	return ws
}

// openFiles counts our open descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(fds)
}

// What runs inside is a process of its own, root there, whose kernel state is not ours; the program gets default signals,
// nobody's groups and all capabilities. Then we are who we were.
func TestVfork(t *testing.T) {
	needProcessor(t)
	umask := unix.Umask(0o022)
	unix.Umask(umask)
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	require.NoError(t, err)
	signal.Ignore(unix.SIGHUP) // as nohup(1) does
	defer signal.Reset(unix.SIGHUP)
	pid := 0
	out, ws := vforkSh(t, Container(), "echo $A; echo $$; id -u; grep -E '^(Groups|CapEff|SigBlk|SigCgt|SigIgn):' /proc/self/status; exit 7", func() {
		pid = os.Getpid() // our variable, and its number
		unix.Umask(0o777)
		_ = unix.Chdir("/")
	})
	require.Equal(t, 1, pid)
	require.Equal(t, 7, ws.ExitStatus())
	lines := strings.Split(out, "\n")
	require.Equal(t, []string{"b", "1", "0"}, lines[:3])
	status := strings.Join(lines[3:], "\n")
	require.NotContains(t, status, "CapEff:\t0000000000000000")
	require.Contains(t, status, "SigBlk:\t0000000000000000")
	require.Contains(t, status, "SigIgn:\t0000000000000000")
	if Container().Setgroups {
		require.Regexp(t, `(?m)^Groups:\s*$`, status)
	}
	require.NotEqual(t, 1, os.Getpid())
	after := unix.Umask(umask)
	require.Equal(t, umask, after)
	after, err = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	require.NoError(t, err)
	require.Equal(t, dumpable, after)
	var mask unix.Sigset_t
	require.NoError(t, unix.PthreadSigmask(unix.SIG_SETMASK, nil, &mask))
	require.Zero(t, mask)

	_, ws = vforkSh(t, Spec{}, "kill -TERM $$; sleep 5", nil)
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

// stack uses more of a goroutine's stack than it begins with, so that it is moved.
//
//go:noinline
func stack(depth int) int {
	var frame [128]int
	frame[depth%128] = depth
	if depth == 0 {
		return 0
	}
	return stack(depth-1) + frame[depth%128] - depth + 1
}

// The new process runs Go in our memory. Its goroutine's stack moves, it allocates, it starts collections and talks to goroutines
// at our end, while these do the same, and signals come.
func TestVforkWhileMuchGoesOn(t *testing.T) {
	needProcessor(t)
	var stop atomic.Bool
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for !stop.Load() {
				_ = strings.Repeat("x", 1<<16)
				runtime.GC()
				_ = syscall.Kill(os.Getpid(), unix.SIGURG) // the runtime's own signal
			}
		})
	}
	for i := range often(100) {
		depth, question, answer := 100+i*20, make(chan int), make(chan int)
		go func() { answer <- stack(<-question) }()
		var here, there int
		out, ws := vforkSh(t, Container(), "echo $A; exit 5", func() {
			here = stack(depth)
			runtime.GC()
			question <- depth
			there = <-answer
		})
		require.Equal(t, depth, here)
		require.Equal(t, depth, there)
		require.Equal(t, "b", out, "%v", ws)
		require.Equal(t, 5, ws.ExitStatus())
		require.Equal(t, depth, stack(depth)) // and ours is whole
	}
	stop.Store(true)
	others.Wait()
}

// Several goroutines at once.
func TestVforkAtTheSameTime(t *testing.T) {
	needProcessor(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range often(20) {
				p, err := Container().Vfork(Birth{}, func(Process) (Program, error) {
					stack(100 * i)
					init, _, err := NumberOne([]string{"sh", "-c", "exit " + strconv.Itoa(i)}, []string{"PATH=/usr/bin:/bin"}, nil, nil, true)
					return init, err
				})
				if err == nil {
					var ws unix.WaitStatus
					_, err = unix.Wait4(p.PID, &ws, 0, nil)
					unix.Close(p.PidFD)
					if ws.ExitStatus() != i {
						err = fmt.Errorf("status %d, want %d", ws.ExitStatus(), i)
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// A file that nobody but the caller's arguments hold stays open until the child has it: Go's collector closes a file that
// is no longer used, and then its number is no use. Here it comes by all the time, and a long environment gives it time.
func TestFilesStayOpenUntilTheChildHasThem(t *testing.T) {
	long := make([]string, 50_000)
	for i := range long {
		long[i] = "A=" + strconv.Itoa(i)
	}
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
		pid, err := start([]string{"/bin/true"}, long, files, nil)
		require.NoError(t, err)
		var ws unix.WaitStatus
		_, err = unix.Wait4(pid, &ws, 0, nil)
		require.NoError(t, err)
		require.Zero(t, ws.ExitStatus())
	}
}

// A vfork that fails says why, and leaves no process, no number of one, and no descriptor.
func TestAVforkThatFailsLeavesNothing(t *testing.T) {
	needProcessor(t)
	twice := Container()
	twice.UIDs = []IDMap{{0, 4000000000, 1}, {0, 4000000000, 1}}
	for round := range 3 {
		before := openFiles(t)
		var p Process
		for _, c := range []struct {
			spec    Spec
			program Program
			fails   error
			want    error
		}{
			{Spec{}, Program{}, io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
			{Container(), Program{}, io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
			{Spec{}, Program{-1, []string{"x"}, nil}, nil, unix.EBADF},
			{Spec{}, Program{-1, []string{"x\x00"}, nil}, nil, unix.EINVAL},
			{twice, Program{}, nil, unix.EINVAL},
		} {
			_, err := c.spec.Vfork(Birth{}, func(inside Process) (Program, error) { p = inside; return c.program, c.fails })
			require.ErrorIs(t, err, c.want)
			require.ErrorIs(t, unix.Kill(p.PID, 0), unix.ESRCH)
		}
		_, err := Spec{}.Vfork(Birth{Cgroup: 9999}, func(Process) (Program, error) { t.Error("inside"); return Program{}, nil })
		require.ErrorIs(t, err, unix.EBADF)
		if round > 0 { // Go opens some of its own for the first
			require.Equal(t, before, openFiles(t))
		}
	}
}
