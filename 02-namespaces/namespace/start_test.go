//go:build linux

package namespace

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

// sh starts a shell with Start, and returns its output and its wait status.
func sh(t *testing.T, s Spec, b Birth, script string) (string, unix.WaitStatus) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	p, err := s.Start(Program{Path: "/bin/sh", Args: []string{"sh", "-c", script},
		Env: []string{"A=b", "PATH=/usr/bin:/bin"}, Files: []*os.File{os.Stdin, w, os.Stderr, w}}, b)
	w.Close()
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	return strings.TrimSpace(string(out)), wait(t, p)
}

func wait(t *testing.T, p *procfs.Process) unix.WaitStatus {
	t.Helper()
	ws, err := p.Wait()
	require.NoError(t, err)
	require.NoError(t, p.Close())
	return ws
}

// The program gets its arguments, environment and files, and we get its exit status.
func TestStart(t *testing.T) {
	for range 20 {
		out, ws := sh(t, Spec{}, Birth{}, "echo $A; echo three >&3; exit 7")
		require.Equal(t, "b\nthree", out)
		require.Equal(t, 7, ws.ExitStatus())
	}
}

// A process in a new user namespace is root there, with all capabilities and none of our groups.
func TestStartMapsRoot(t *testing.T) {
	probe(t, Container())
	out, _ := sh(t, Container(), Birth{}, "echo $$; id -u; grep -E '^(Groups|CapEff):' /proc/self/status")
	lines := strings.Split(out, "\n")
	require.Equal(t, []string{"1", "0"}, lines[:2])
	require.NotContains(t, out, "CapEff:\t0000000000000000")
	if Container().Setgroups {
		require.Regexp(t, `(?m)^Groups:\s*$`, out)
	}
}

// The program starts with default actions for signals, and none blocked. It also ignores the
// signals that we ignore: nohup(1) works that way.
func TestStartKeepsIgnoredSignals(t *testing.T) {
	signal.Ignore(unix.SIGHUP)
	defer signal.Reset(unix.SIGHUP)
	handled := make(chan os.Signal, 1)
	signal.Notify(handled, unix.SIGTERM)
	defer signal.Stop(handled)
	out, _ := sh(t, Spec{}, Birth{}, "exec cat /proc/self/status")
	require.Contains(t, out, "SigBlk:\t0000000000000000")
	require.Contains(t, out, "SigCgt:\t0000000000000000")
	ignored, err := strconv.ParseUint(out[strings.Index(out, "SigIgn:")+8:][:16], 16, 64)
	require.NoError(t, err)
	require.NotZero(t, ignored&(1<<(unix.SIGHUP-1)), out)
	require.Zero(t, ignored&(1<<(unix.SIGTERM-1)), out)
	_, ws := sh(t, Spec{}, Birth{}, "kill -TERM $$; sleep 5")
	require.True(t, ws.Signaled() && ws.Signal() == unix.SIGTERM, "SIGTERM was blocked or caught: %v", ws)
}

// A session leader does not have our terminal. (The session is the sixth field of
// proc_pid_stat(5).)
func TestStartInASession(t *testing.T) {
	var b Birth
	b.Attr.Setsid = true
	out, _ := sh(t, Spec{}, b, "read -r pid _ _ _ _ session _ </proc/self/stat; echo $(($pid - $session))")
	require.Equal(t, "0", out)
}

// An error names the call and the file, and leaves no process and no file descriptor.
func TestStartFails(t *testing.T) {
	before := openFiles(t)
	_, err := Start(Program{Path: "/no/such/program", Args: []string{"x"}}, Birth{})
	require.ErrorIs(t, err, unix.ENOENT)
	require.ErrorContains(t, err, "exec /no/such/program")
	var b Birth
	b.Attr.Setctty = true // not a session leader, and not a terminal
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	_, err = Start(Program{Path: "/bin/true", Args: []string{"x"}, Files: []*os.File{null}}, b)
	require.ErrorContains(t, err, "ioctl(TIOCSCTTY)")
	_, err = Start(Program{Path: "/bin/true", Args: []string{"a\x00b"}}, Birth{})
	require.ErrorIs(t, err, unix.EINVAL)
	require.Equal(t, before+1, openFiles(t))
	_, err = unix.Wait4(-1, nil, unix.WNOHANG, nil)
	require.ErrorIs(t, err, unix.ECHILD)
}

func openFiles(t *testing.T) int {
	t.Helper()
	runtime.GC() // close files that other tests forgot
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(fds)
}

// The child does not inherit file descriptors that lack close-on-exec by mistake, including that of
// a directory in the program's path.
func TestStartClosesOtherDescriptors(t *testing.T) {
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	forgotten, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD, 60)
	require.NoError(t, err)
	defer unix.Close(forgotten)
	ask := fmt.Sprintf("[ -e /proc/self/fd/%d ] && echo open || echo closed", forgotten)
	out, _ := sh(t, Spec{}, Birth{}, ask)
	require.Equal(t, "closed", out)
	out, _ = sh(t, Spec{}, Birth{Inherit: true}, ask)
	require.Equal(t, "open", out, "the control")
	_, err = Start(Program{Path: fmt.Sprintf("/proc/self/fd/%d/bin/true", forgotten), Args: []string{"true"}}, Birth{})
	require.ErrorIs(t, err, unix.ENOENT)
}

// A program whose file is open needs no path.
func TestStartByDescriptor(t *testing.T) {
	f, err := os.Open("/bin/sh")
	require.NoError(t, err)
	defer f.Close()
	p, err := Start(Program{Path: "sh", File: f, Args: []string{"sh", "-c", "exit 6"}}, Birth{})
	require.NoError(t, err)
	require.Equal(t, 6, wait(t, p).ExitStatus())
}

// Processes start while other goroutines collect garbage, and compute without a call in which Go
// could preempt them. Go preempts them with a signal, and the child must not block it.
func TestStartBesideAComputingGoroutine(t *testing.T) {
	var stop atomic.Bool
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for x := uint64(1); !stop.Load(); {
				for range 1 << 16 {
					x = x*6364136223846793005 + 1
				}
			}
		})
	}
	defer others.Wait()
	defer stop.Store(true)
	for i := range often(300) {
		_, ws := sh(t, Spec{}, Birth{}, "exit 5")
		require.Equal(t, 5, ws.ExitStatus())
		if i%3 == 0 {
			runtime.GC()
		}
	}
}

// Several goroutines can start processes at the same time.
func TestStartAtTheSameTime(t *testing.T) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range often(20) {
				p, err := Start(Program{Path: "/bin/sh", Args: []string{"sh", "-c", "exit " + strconv.Itoa(i)}}, Birth{})
				if err != nil {
					t.Error(err)
					return
				}
				if ws, err := p.Wait(); err != nil || ws.ExitStatus() != i {
					t.Errorf("status %d, want %d: %v", ws.ExitStatus(), i, err)
				}
				_ = p.Close()
			}
		})
	}
	all.Wait()
}

// often counts to n, for at most five seconds.
func often(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		end := time.Now().Add(5 * time.Second)
		for i := 0; i < n && (i < 3 || time.Now().Before(end)) && yield(i); i++ {
		}
	}
}

// A file that only the caller's arguments refer to stays open until the child has it, although the
// garbage collector closes unused files.
func TestStartKeepsFilesOpen(t *testing.T) {
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
		p, err := Start(Program{Path: "/bin/true", Args: []string{"true"}, Env: long, Files: files}, Birth{})
		require.NoError(t, err)
		require.Zero(t, wait(t, p).ExitStatus())
	}
}

// A process without threads joins all eight kinds of namespaces of another process, including user
// and time. Its children are in the PID namespace.
func TestStartJoins(t *testing.T) {
	probe(t, Container())
	_, err := os.Stat("/proc/self/ns/time")
	kinds := All
	if err != nil {
		kinds &^= Time
	}
	spec := Container()
	spec.New = kinds
	cmd := exec.Command("sleep", "30")
	spec.Apply(cmd)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	there, err := procfs.Of(cmd.Process.Pid)
	require.NoError(t, err)
	target, err := procfs.Open(cmd.Process.Pid)
	require.NoError(t, err)
	defer target.Close()

	birth := Birth{Join: target, JoinSet: kinds}
	require.NoError(t, Spec{New: User, UIDs: spec.UIDs, GIDs: spec.GIDs, Setgroups: spec.Setgroups}.Fill(&birth.Attr))
	birth.Attr.Cloneflags = 0
	p, err := Start(Program{Path: "/bin/sleep", Args: []string{"sleep", "30"}}, birth)
	require.NoError(t, err)
	defer func() { _ = p.Signal(unix.SIGKILL); wait(t, p) }()
	here, err := procfs.Of(p.PID)
	require.NoError(t, err)
	for _, kind := range Types() {
		if kind.Flag&kinds&^PID != 0 {
			require.Equal(t, there[kind.Name], here[kind.Name], kind.Name)
		}
	}
	require.NotEqual(t, there["pid"], here["pid"])
	children, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid_for_children", p.PID))
	require.NoError(t, err)
	require.Equal(t, procfs.Link("pid", there["pid"]), children)
}

// When the parent is killed, the kernel kills the process, however early that happens.
func TestStartDiesWithItsParent(t *testing.T) {
	if os.Getenv("NAMESPACE_TEST_PARENT") != "" {
		runtime.LockOSThread()
		for {
			birth := Birth{}
			birth.Attr.Pdeathsig = unix.SIGKILL
			_, err := Start(Program{Path: "/bin/sleep", Args: []string{os.Getenv("NAMESPACE_TEST_PARENT"), "86399"}}, birth)
			require.NoError(t, err)
		}
	}
	token := fmt.Sprintf("orphan-%d", os.Getpid())
	for i := range often(40) {
		parent := exec.Command("/proc/self/exe", "-test.run=^TestStartDiesWithItsParent$")
		parent.Env = append(os.Environ(), "NAMESPACE_TEST_PARENT="+token)
		require.NoError(t, parent.Start())
		time.Sleep(20*time.Millisecond + time.Duration(i)*time.Millisecond)
		require.NoError(t, parent.Process.Kill())
		_ = parent.Wait()
	}
	require.Eventually(t, func() bool { return !runs(t, token) }, 10*time.Second, 10*time.Millisecond)
}

func runs(t *testing.T, token string) bool {
	pids, err := procfs.Processes()
	require.NoError(t, err)
	for _, pid := range pids {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.HasPrefix(string(line), token) {
			return true
		}
	}
	return false
}
