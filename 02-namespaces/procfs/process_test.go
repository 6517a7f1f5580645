//go:build linux

package procfs

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// foreignEnv makes the test program print what it finds in a /proc of another PID namespace.
const foreignEnv = "PROCFS_TEST_FOREIGN"

func TestMain(m *testing.M) {
	if os.Getenv(foreignEnv) != "" {
		foreign()
	}
	os.Exit(m.Run())
}

// foreign starts a child and reads its files, in a PID namespace with the /proc of the parent
// namespace.
func foreign() {
	err := Check()
	child := exec.Command("sleep", "60")
	if e := child.Start(); e != nil {
		panic(e)
	}
	p, e := Open(child.Process.Pid)
	if e != nil {
		panic(e)
	}
	comm := commOf(p)
	stranger, _ := os.ReadFile("/proc/" + strconv.Itoa(child.Process.Pid) + "/comm")
	_ = child.Process.Kill()
	_ = child.Wait()
	os.Stdout.WriteString("check: " + errorText(err) + "\nby pidfd: " + comm + "by PID: " + string(stranger))
	os.Exit(0)
}

// commOf waits until a process is named sleep: exec.Cmd's Start returns when the kernel closes the
// close-on-exec file descriptors, and the kernel names the process a moment later.
func commOf(p *Process) (comm string) {
	for range 1000 {
		if comm, _ = p.Read("comm"); comm == "sleep\n" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return comm
}

func errorText(err error) string {
	if err == nil {
		return "fine"
	}
	return err.Error()
}

// In a PID namespace with the /proc of its parent, Check returns an error. A Process still reads
// the files of its own process, although the PID leads to another one.
func TestForeignProc(t *testing.T) {
	require.NoError(t, Check())
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--pid", "--fork", "/proc/self/exe")
	cmd.Args[len(cmd.Args)-1], _ = os.Executable()
	cmd.Env = append(os.Environ(), foreignEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "unshare") {
		t.Skipf("no user namespace can be created here: %s", out)
	}
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "check: "+ErrForeign.Error())
	require.Contains(t, string(out), "--mount-proc")
	require.Contains(t, string(out), "by pidfd: sleep\n")
	require.NotContains(t, string(out), "by PID: sleep\n", "the control")
}

// A Process never refers to another process: once its own was reaped, every operation on it fails.
func TestProcessIsGone(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	require.NoError(t, cmd.Start())
	p, err := Open(cmd.Process.Pid)
	require.NoError(t, err)
	require.Equal(t, "sleep\n", commOf(p))
	ns, err := p.Namespace("net")
	require.NoError(t, err)
	require.NoError(t, ns.Close())
	require.NoError(t, p.Signal(unix.SIGKILL))
	ws, err := p.Wait()
	require.NoError(t, err)
	require.Equal(t, unix.SIGKILL, ws.Signal())
	require.ErrorIs(t, p.Signal(unix.SIGTERM), unix.ESRCH)
	_, err = p.Read("comm")
	require.ErrorIs(t, err, unix.ESRCH)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	require.ErrorIs(t, p.Signal(unix.SIGTERM), unix.ESRCH)
	_, err = Open(1 << 22)
	require.Error(t, err)
}
