//go:build linux

package container

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/procfs"
)

// starts is how many times a test does what goes wrong by chance only: so often as fits into ten
// seconds, or n times if the environment asks for the long tests.
func starts(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		end := time.Now().Add(10 * time.Second)
		for i := 0; i < n && yield(i); i++ {
			if i > 3 && os.Getenv("CONTAINERKIT_LONG") == "" && time.Now().After(end) {
				return
			}
		}
	}
}

// Containers start beside a goroutine that computes without a call, so that Go can stop it only by a
// signal, while the collector stops the world every few starts. (Go that ran in a process that shares
// our memory hung here: the signal never arrived.)
func TestStartBesideAComputingGoroutine(t *testing.T) {
	needNamespaces(t)
	var stop atomic.Bool
	var computing sync.WaitGroup
	computing.Go(func() {
		for x := uint64(1); !stop.Load(); {
			for range 1 << 16 {
				x = x*6364136223846793005 + 1
			}
		}
	})
	defer computing.Wait()
	defer stop.Store(true)
	count := 0
	for i := range starts(1000) {
		status, err := Run(Config{Args: []string{"true"}})
		require.NoError(t, err)
		require.Zero(t, status)
		if i%5 == 0 {
			runtime.GC()
		}
		count++
	}
	t.Log(count, "starts")
}

// If PID 1 is killed half-way, Start returns an error that says so, and nothing is left.
func TestKilledHalfWay(t *testing.T) {
	needNamespaces(t)
	parts, err := order()
	require.NoError(t, err)
	before := openFiles(t)
	for _, at := range append(parts, Ready) {
		var init *procfs.Process
		_, err := Start(Config{Args: []string{"sleep", "60"}, Resources: limited(t), Trace: func(p *procfs.Process, part Part) {
			if init = p; part == at {
				require.NoError(t, p.Signal(unix.SIGKILL))
			}
		}})
		require.ErrorContains(t, err, "PID 1 was killed by signal 9", at)
		require.ErrorIs(t, unix.Kill(init.PID, 0), unix.ESRCH)
	}
	require.Equal(t, before, openFiles(t))
	requireNoGroups(t)
}

func openFiles(t *testing.T) int {
	t.Helper()
	runtime.GC()
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(fds)
}

// limited are resources, where there can be some.
func limited(t *testing.T) cgroup.Resources {
	if _, err := cgroup.Find(); err != nil {
		t.Log("without a cgroup: ", err)
		return cgroup.Resources{}
	}
	return cgroup.Resources{Pids: 50, Memory: 256 << 20}
}

// requireNoGroups looks for cgroups of this process: its own are locked by it.
func requireNoGroups(t *testing.T) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	for _, fd := range fds {
		name, _ := os.Readlink(fd)
		require.NotContains(t, name, cgroup.Prefix)
	}
}

const callerEnv = "CONTAINER_TEST_CALLER"

// init makes the test program a caller that starts one container after another, until it is killed.
func init() {
	token := os.Getenv(callerEnv)
	if token == "" {
		return
	}
	runtime.LockOSThread()
	for {
		ct, err := Start(Config{Args: []string{"sleep", "86399"}, Env: []string{"TOKEN=" + token}, Stderr: os.Stderr})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_ = ct.Close()
	}
}

// When the caller is killed, at whatever moment, no process survives.
func TestKilledCaller(t *testing.T) {
	needNamespaces(t)
	token := fmt.Sprintf("%s=caller-%d", callerEnv, os.Getpid())
	kills := 0
	for range starts(2000) {
		cmd := exec.Command("/proc/self/exe")
		var said bytes.Buffer
		cmd.Env, cmd.Stderr = append(os.Environ(), token), &said
		require.NoError(t, cmd.Start())
		time.Sleep(rand.N(60 * time.Millisecond))
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		require.Empty(t, said.String())
		kills++
	}
	t.Log(kills, "kills")
	word := strings.TrimPrefix(token, callerEnv+"=")
	require.Eventually(t, func() bool { return !marked(word) }, 20*time.Second, 20*time.Millisecond,
		"a process outlives the caller")
}

// marked reports whether a process has the word in its environment.
func marked(word string) bool {
	pids, _ := procfs.Processes()
	for _, pid := range pids {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if pid != os.Getpid() && bytes.Contains(env, []byte(word)) {
			return true
		}
	}
	return false
}

// A file that the caller opens in Trace is the caller's: Start does not close it.
func TestDescriptorsHaveOneOwner(t *testing.T) {
	needNamespaces(t)
	var opened []*os.File
	status, err := Run(Config{Args: []string{"true"}, Trace: func(*procfs.Process, Part) {
		f, err := os.Open(os.DevNull)
		require.NoError(t, err)
		opened = append(opened, f)
	}})
	require.NoError(t, err)
	require.Zero(t, status)
	for _, f := range opened {
		require.NoError(t, f.Close())
	}
}

// PID 1 shows a process inside nothing of the host, and cannot be changed: it is not dumpable, and as
// root it is a file that nobody can write.
func TestInitIsOutOfReach(t *testing.T) {
	needNamespaces(t)
	const attack = `for f in exe mem fd/0 root cwd environ; do
		( : <>/proc/1/$f ) 2>/dev/null && echo "/proc/1/$f: opened"; done
	: 2>/dev/null; ls -l /proc/1/exe >/dev/null 2>&1 && echo "/proc/1/exe: followed"; echo done`
	out := output(t, Config{Args: []string{"sh", "-c", attack}})
	require.Equal(t, "done\n", out)
	// The control: a dumpable PID 1 can be looked into; what root executes still cannot be written.
	out = output(t, Config{Args: []string{"sh", "-c", attack}, Without: Undumpable})
	require.Contains(t, out, "/proc/1/exe: followed")
	require.NotContains(t, out, "/proc/1/exe: opened", "a running file is busy (ETXTBSY), or in a read-only file system")
}

// PID 1 is out of reach already when the command starts: a process that has the command's namespaces
// and all capabilities but CAP_SYS_PTRACE cannot open its memory while PID 1 still waits to start it.
func TestInitIsOutOfReachBeforeTheCommand(t *testing.T) {
	needNamespaces(t)
	credentials := []string{"-S0", "-G0"}
	if os.Geteuid() != 0 {
		credentials = []string{"--preserve-credentials"} // it is root inside already
	}
	attack := func(without Wall) (said string) {
		trace := func(init *procfs.Process, part Part) {
			if part != Ready {
				return
			}
			args := append([]string{"-t", fmt.Sprint(init.PID), "-U", "-m", "-p"}, credentials...)
			args = append(args, "--", "setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all", "sh", "-c",
				"echo looking; : </proc/1/mem && echo opened")
			out, _ := exec.Command("nsenter", args...).CombinedOutput()
			said = string(out)
		}
		status, err := Run(Config{Args: []string{"true"}, Trace: trace, Without: without})
		require.NoError(t, err)
		require.Zero(t, status)
		require.Contains(t, said, "looking")
		return said
	}
	require.NotContains(t, attack(0), "opened")
	require.Contains(t, attack(Undumpable), "opened", "the control: a dumpable PID 1")
}

// The program behind /proc/1/exe cannot be written once nobody executes it any more: then only the
// file system protects it. An ordinary user's container cannot reach the link.
func TestProgramCannotBeWrittenAsRoot(t *testing.T) {
	needNamespaces(t)
	if os.Geteuid() != 0 {
		t.Skip("an ordinary user has no mount for it: see TestInitIsOutOfReach")
	}
	ct, err := Start(Config{Args: []string{"sleep", "60"}, Without: Undumpable})
	require.NoError(t, err)
	exe, err := ct.Process.Open("exe", unix.O_PATH)
	require.NoError(t, err)
	defer exe.Close()
	require.NoError(t, ct.Close())
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", exe.Fd()), os.O_WRONLY, 0)
	if err == nil {
		f.Close()
	}
	require.Error(t, err)
	require.True(t, isAny(err, unix.EROFS, unix.EPERM), "%v", err) // the overlay, or a sealed file
}

func isAny(err error, list ...unix.Errno) bool {
	for _, e := range list {
		if strings.HasSuffix(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}

// output runs a container and returns what its command printed.
func output(t *testing.T, c Config) string {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	c.Stdout, c.Stderr = w, w
	ct, err := Start(c)
	w.Close()
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	_, err = ct.Wait()
	require.NoError(t, err)
	return string(out)
}

// isNull reports whether a path leads to the null device (null(4)).
func isNull(path string) bool {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3)
}

// The reader of a pipe sees the end when the command closes it: PID 1 has no copy.
func TestInitLetsGoOfTheStreams(t *testing.T) {
	needNamespaces(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	extra, e, err := os.Pipe()
	require.NoError(t, err)
	defer extra.Close()
	ct, err := Start(Config{Args: []string{"sh", "-c", "echo said; exec >&- 3>&-; exec sleep 60"}, Stdout: w, Extra: []*os.File{e}})
	w.Close()
	e.Close()
	require.NoError(t, err)
	defer ct.Close()
	for _, f := range []*os.File{r, extra} {
		ended := make(chan error, 1)
		go func() { _, err := io.ReadAll(f); ended <- err }()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(10 * time.Second):
			t.Fatal("the pipe is still open, though the command closed it")
		}
	}
	harmless := regexp.MustCompile(`^(socket:.*|anon_inode:\[(eventpoll|eventfd|pidfd)\])$`)
	var others []string
	require.Eventually(t, func() bool {
		others = nil
		dir := fmt.Sprintf("/proc/%d/fd/", ct.Process.PID)
		fds, _ := os.ReadDir(dir) // an ordinary user may not look into a process that is not dumpable
		for _, fd := range fds {
			name, _ := os.Readlink(dir + fd.Name())
			if !harmless.MatchString(name) && !isNull(dir+fd.Name()) {
				others = append(others, name)
			}
		}
		return len(others) == 0
	}, 10*time.Second, 10*time.Millisecond, "%q", &others)
}

// Wait, Close and Signal may be called at the same time, as when a signal ends a step: the container ends
// once, each of them returns, and no signal goes to a descriptor that is another file by then.
func TestCloseBesideWaitAndSignal(t *testing.T) {
	needNamespaces(t)
	for range 10 {
		ct, err := Start(Config{Args: []string{"sleep", "60"}, Resources: limited(t)})
		require.NoError(t, err)
		var all sync.WaitGroup
		var ended atomic.Bool
		for range 2 {
			all.Go(func() {
				status, err := ct.Wait()
				assert.NoError(t, err)
				assert.Equal(t, 128+9, status)
			})
			all.Go(func() { assert.NoError(t, ct.Close()) })
		}
		var late sync.WaitGroup
		late.Go(func() {
			for !ended.Load() {
				_ = ct.Signal(unix.SIGWINCH)
			}
			assert.ErrorIs(t, ct.Signal(unix.SIGTERM), unix.ESRCH)
		})
		all.Wait()
		ended.Store(true)
		late.Wait()
	}
	requireNoGroups(t)
}
