//go:build linux

package namespace

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
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
	require.Equal(t, syscall.SIGKILL, cmd.SysProcAttr.Pdeathsig, "the other fields are unchanged")
	require.Nil(t, cmd.SysProcAttr.Credential)

	cmd = exec.Command("true")
	Spec{New: UTS | User, UIDs: []IDMap{{0, 1000, 1}}, GIDs: []IDMap{{0, 100, 1}}}.Apply(cmd)
	require.Equal(t, []syscall.SysProcIDMap{{ContainerID: 0, HostID: 1000, Size: 1}}, cmd.SysProcAttr.UidMappings)
	require.Equal(t, []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100, Size: 1}}, cmd.SysProcAttr.GidMappings)
	require.False(t, cmd.SysProcAttr.GidMappingsEnableSetgroups)
	require.Equal(t, &syscall.Credential{}, cmd.SysProcAttr.Credential, "root inside, with no groups")
}

// probe runs true in the namespaces. It skips the test only if they cannot be created; a later
// error is a failure.
func probe(t *testing.T, s Spec) {
	t.Helper()
	cmd := exec.Command("true")
	s.Apply(cmd)
	if err := cmd.Run(); err != nil {
		t.Skipf("namespaces (%s) cannot be created here: %v", s.New, err)
	}
}

// Each kind, requested alone, has another inode number for that kind (and for User, if that was
// needed), and the same for all others.
func TestInodes(t *testing.T) {
	ours, err := procfs.Of(0)
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
			theirs, err := procfs.Of(cmd.Process.Pid)
			require.NoError(t, err)
			for _, other := range Types() {
				if s.New&other.Flag != 0 {
					require.NotEqual(t, ours[other.Name], theirs[other.Name], other.Name)
				} else {
					require.Equal(t, ours[other.Name], theirs[other.Name], other.Name)
				}
			}
			rows, err := procfs.List()
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

// Join moves a thread into the namespaces of another process.
func TestJoin(t *testing.T) {
	if !Capable(unix.CAP_SYS_ADMIN) { // run the test again in our own user namespace
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
	there, err := procfs.Of(cmd.Process.Pid)
	require.NoError(t, err)
	target, err := procfs.Open(cmd.Process.Pid)
	require.NoError(t, err)
	defer target.Close()
	here := map[string]uint64{}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread exits with the goroutine
		tid := unix.Gettid()
		err := Join(target, set)
		// The test reads them from a thread that stayed: the /proc of the other mount namespace can
		// be another one.
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
		done <- err
	}()
	require.NoError(t, <-done)
	for _, k := range []string{"uts", "ipc", "net", "mnt", "cgroup"} {
		require.Equal(t, there[k], here[k], k)
	}
	// A PID namespace has members only once a process starts in it.
	require.Equal(t, there["pid"], here["pid_for_children"])
}

func TestMain(m *testing.M) {
	child.Init()
	os.Exit(m.Run())
}
