//go:build linux

package namespace

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/child"
)

func TestSetString(t *testing.T) {
	require.Equal(t, "pid,uts,mnt,ipc,user,net,time,cgroup", All.String())
	require.Equal(t, "uts,net", (UTS | Net).String())
	require.Empty(t, Set(0).String())
	var all Set
	for _, x := range Types() {
		all |= x.Flag
	}
	require.Equal(t, All, all)
}

func TestOffset(t *testing.T) {
	require.Equal(t, "boottime 3600 0\n", offset("boottime", time.Hour))
	require.Equal(t, "boottime -1 750000000\n", offset("boottime", -250*time.Millisecond))
	require.Equal(t, "monotonic -2 0\n", offset("monotonic", -2*time.Second))
}

func TestCovers(t *testing.T) {
	require.True(t, covers("         0          0 4294967295\n", FirstID, IDCount))
	require.True(t, covers("0 1000 1\n1 100000 1000000\n", FirstID, IDCount))
	require.False(t, covers("0 1000 1\n", FirstID, IDCount))
	require.False(t, covers("0 0 524288\n524288 700000 65535\n", FirstID, IDCount), "one too few")
	require.False(t, covers("", FirstID, IDCount))
}

func TestApply(t *testing.T) {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	Spec{New: UTS}.Apply(cmd)
	require.Equal(t, uintptr(UTS), cmd.SysProcAttr.Cloneflags)
	require.Equal(t, syscall.SIGKILL, cmd.SysProcAttr.Pdeathsig, "what was there stays")
	require.Nil(t, cmd.SysProcAttr.Credential)

	cmd = exec.Command("true")
	Spec{New: UTS | User, UIDs: []IDMap{{0, 1000, 1}}, GIDs: []IDMap{{0, 100, 1}}}.Apply(cmd)
	require.Equal(t, []syscall.SysProcIDMap{{ContainerID: 0, HostID: 1000, Size: 1}}, cmd.SysProcAttr.UidMappings)
	require.Equal(t, []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100, Size: 1}}, cmd.SysProcAttr.GidMappings)
	require.False(t, cmd.SysProcAttr.GidMappingsEnableSetgroups)
	require.Equal(t, &syscall.Credential{}, cmd.SysProcAttr.Credential, "root inside, with no groups")
}

// probe starts true in the namespaces; a refusal is a reason to skip, everything after that is not.
func probe(t *testing.T, s Spec) {
	t.Helper()
	cmd := exec.Command("true")
	s.Apply(cmd)
	if err := cmd.Run(); err != nil {
		t.Skipf("namespaces (%s) cannot be made here: %v", s.New, err)
	}
}

// Each kind, asked for alone, gives another inode number for that kind (and User, if that was needed), and the same
// for all others.
func TestInodes(t *testing.T) {
	ours, err := Of(0)
	require.NoError(t, err)
	for _, kind := range Types() {
		t.Run(kind.Name, func(t *testing.T) {
			s := AsNeeded(kind.Flag)
			probe(t, s)
			cmd := exec.Command("sleep", "30")
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			s.Apply(cmd)
			require.NoError(t, cmd.Start())
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			theirs, err := Of(cmd.Process.Pid)
			require.NoError(t, err)
			for _, other := range Types() {
				if s.New&other.Flag != 0 {
					require.NotEqual(t, ours[other.Name], theirs[other.Name], other.Name)
				} else {
					require.Equal(t, ours[other.Name], theirs[other.Name], other.Name)
				}
			}
			rows, err := List()
			require.NoError(t, err)
			found := false
			for _, r := range rows {
				if r.Inode == theirs[kind.Name] && r.Type == kind.Name {
					found = true
					require.Equal(t, cmd.Process.Pid, r.PID)
					require.Equal(t, 1, r.Processes)
					require.Equal(t, "sleep 30", r.Command)
				}
			}
			require.True(t, found)
		})
	}
}

func TestContainerIDs(t *testing.T) {
	s := Container()
	probe(t, s)
	cmd := exec.Command("cat", "/proc/self/uid_map")
	s.Apply(cmd)
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(s.UIDs[0].Inside, s.UIDs[0].Outside, s.UIDs[0].Count), strings.Join(strings.Fields(string(out)), " "))
}

// Join and its fallback for old kernels lead to the same place.
func TestJoin(t *testing.T) {
	if !Capable(unix.CAP_SYS_ADMIN) { // then again where we have it: in a user namespace of our own
		s := AsNeeded(User)
		probe(t, s)
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestJoin$")
		s.Apply(cmd)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	const set = UTS | IPC | Net | Mount | PID | Cgroup
	cmd := exec.Command("sleep", "30")
	Spec{New: set}.Apply(cmd)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	there, err := Of(cmd.Process.Pid)
	require.NoError(t, err)
	for name, join := range map[string]func(int, Set) error{
		"at once": Join,
		"one by one": func(pid int, s Set) error {
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return err
			}
			return joinOneByOne(pid, s)
		},
	} {
		here := map[string]uint64{}
		var err error
		done := make(chan bool)
		go func() {
			defer close(done)
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			tid := unix.Gettid()
			if err = join(cmd.Process.Pid, set); err == nil {
				// From a thread that has stayed: the /proc in there is not ours to count on.
				read := make(chan bool)
				go func() {
					defer close(read)
					for _, k := range []string{"uts", "ipc", "net", "mnt", "cgroup", "pid_for_children"} {
						var st unix.Stat_t
						if e := unix.Stat(fmt.Sprintf("/proc/self/task/%d/ns/%s", tid, k), &st); e == nil {
							here[k] = st.Ino
						}
					}
				}()
				<-read
			}
		}()
		<-done
		require.NoError(t, err, name)
		for _, k := range []string{"uts", "ipc", "net", "mnt", "cgroup"} {
			require.Equal(t, there[k], here[k], "%s: %s", name, k)
		}
		// A PID namespace has children only when somebody is born; the link is there since Linux 4.12.
		require.Equal(t, there["pid"], here["pid_for_children"], name)
	}
	require.Error(t, func() error {
		var err error
		done := make(chan bool)
		go func() { defer close(done); runtime.LockOSThread(); err = Join(1<<22+1, UTS) }()
		<-done
		return err
	}(), "nobody has this number")
}

// initEnv makes the test binary a number 1 that runs its arguments.
const initEnv = "NAMESPACE_TEST_INIT"

func TestMain(m *testing.M) {
	child.Init()
	switch os.Getenv(initEnv) {
	case "run":
		runtime.LockOSThread()
		os.Unsetenv(initEnv)
		status, err := RunAsInit(os.Args[1:], os.Environ(), []*os.File{os.Stdin, os.Stdout, os.Stderr})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(status)
	case "signalled": // tells how often it got SIGTERM within half a second from the first
		c := make(chan os.Signal, 8)
		signal.Notify(c, unix.SIGTERM)
		fmt.Println("ready")
		<-c
		time.Sleep(500 * time.Millisecond)
		fmt.Println("signals:", 1+len(c))
		os.Exit(5)
	}
	os.Exit(m.Run())
}

func initCommand(argv ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", argv...)
	cmd.Env = append(os.Environ(), initEnv+"=run")
	AsNeeded(PID | Mount).Apply(cmd)
	return cmd
}

func TestRunAsInit(t *testing.T) {
	probe(t, AsNeeded(PID|Mount))
	for _, c := range []struct {
		argv   []string
		status int
	}{
		{[]string{"true"}, 0},
		{[]string{"sh", "-c", "exit 3"}, 3},
		{[]string{"sh", "-c", "kill -KILL $$"}, 137},
		{[]string{"no-such-command"}, 127},
		{[]string{"/etc/passwd"}, 126},
		{[]string{"/"}, 126},
		// An orphan that ends before the payload: it must be reaped, and not be taken for the payload.
		{[]string{"sh", "-c", "(sh -c 'exit 7' &) | cat; exit 4"}, 4},
	} {
		cmd := initCommand(c.argv...)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, c.status, cmd.ProcessState.ExitCode(), "%q: %s", c.argv, out)
	}
}

func TestRunAsInitReaps(t *testing.T) {
	probe(t, AsNeeded(PID|Mount))
	// The host's /proc, seen from outside: the orphan is there, then it is gone, and no zombie of it stays.
	cmd := initCommand("sh", "-c", "(sleep 60 & echo started) ; read x")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, 16))
	require.NoError(t, err)
	children := func() (names map[string]int) {
		names = map[string]int{}
		rows, err := Processes()
		require.NoError(t, err)
		for _, pid := range rows {
			if parent, err := Status(pid, "PPid"); err == nil && parent == fmt.Sprint(cmd.Process.Pid) {
				name, _ := Status(pid, "Name") // a zombie still has one
				names[name] = pid
			}
		}
		return names
	}
	// The orphan is one as soon as the shell in between has ended. It ends when we end it, however busy the machine is.
	require.Eventually(t, func() bool { return len(children()) == 2 && children()["sleep"] != 0 }, 10*time.Second, 5*time.Millisecond, "the payload and its orphan")
	require.NoError(t, unix.Kill(children()["sleep"], unix.SIGKILL))
	require.Eventually(t, func() bool { return len(children()) == 1 }, 10*time.Second, 20*time.Millisecond)
	require.NoError(t, in.Close())
	_ = cmd.Wait()
}

func TestRunAsInitForwards(t *testing.T) {
	probe(t, AsNeeded(PID|Mount))
	cmd := initCommand("env", initEnv+"=signalled", "/proc/self/exe")
	cmd.Args = append(cmd.Args[:1], "sh", "-c", `exec env `+initEnv+`=signalled "$0"`, executable(t))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	buf := make([]byte, 64)
	n, err := out.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "ready\n", string(buf[:n]))
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	n, err = out.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "signals: 1\n", string(buf[:n]))
	_ = cmd.Wait()
	require.Equal(t, 5, cmd.ProcessState.ExitCode())
}

func executable(t *testing.T) string {
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/tool", nil, 0o755))
	require.NoError(t, os.WriteFile(dir+"/text", nil, 0o644))
	require.NoError(t, os.Mkdir(dir+"/sub", 0o755))
	env := []string{"PATH=/nowhere:" + dir}
	got, err := lookup("tool", env)
	require.NoError(t, err)
	require.Equal(t, dir+"/tool", got)
	_, err = lookup("text", env)
	require.ErrorIs(t, err, os.ErrPermission)
	_, err = lookup("sub", env)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = lookup("absent", env)
	require.ErrorIs(t, err, os.ErrNotExist)
	got, err = lookup("./x", env)
	require.NoError(t, err)
	require.Equal(t, "./x", got, "a path is taken as it is")
}
