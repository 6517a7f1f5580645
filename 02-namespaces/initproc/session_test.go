//go:build linux

package initproc

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/child"
)

// initEnv makes the test program a PID 1 that runs its arguments.
const initEnv = "NAMESPACE_TEST_INIT"

func TestMain(m *testing.M) {
	child.Init()
	switch os.Getenv(initEnv) {
	case "run":
		runtime.LockOSThread()
		os.Unsetenv(initEnv)
		status, err := RunSession(os.Args[1:], os.Environ(), []*os.File{os.Stdin, os.Stdout, os.Stderr}, namespace.Birth{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(status)
	case "signalled": // prints how many SIGTERMs it got within half a second of the first
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
	namespace.AsNeeded(namespace.PID | namespace.Mount).Apply(cmd)
	return cmd
}

func TestSession(t *testing.T) {
	probe(t, namespace.AsNeeded(namespace.PID|namespace.Mount))
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
		// An orphan that exits before the command: PID 1 must reap it, and not take it for the
		// command.
		{[]string{"sh", "-c", "(sh -c 'exit 7' &) | cat; exit 4"}, 4},
	} {
		cmd := initCommand(c.argv...)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, c.status, cmd.ProcessState.ExitCode(), "%q: %s", c.argv, out)
	}
}

func TestSessionReaps(t *testing.T) {
	probe(t, namespace.AsNeeded(namespace.PID|namespace.Mount))
	// The host's /proc, read from outside: the orphan runs, then it is gone, and leaves no zombie.
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
		rows, err := procfs.Processes()
		require.NoError(t, err)
		for _, pid := range rows {
			if parent, err := procfs.Status(pid, "PPid"); err == nil && parent == fmt.Sprint(cmd.Process.Pid) {
				name, _ := procfs.Status(pid, "Name") // a zombie still has one
				names[name] = pid
			}
		}
		return names
	}
	// The shell in between exits, and the orphan is reparented. It exits when we kill it, however
	// busy the machine is.
	require.Eventually(t, func() bool { return len(children()) == 2 && children()["sleep"] != 0 },
		10*time.Second, 5*time.Millisecond, "the command and its orphan")
	require.NoError(t, unix.Kill(children()["sleep"], unix.SIGKILL))
	require.Eventually(t, func() bool { return len(children()) == 1 }, 10*time.Second, 20*time.Millisecond)
	require.NoError(t, in.Close())
	_ = cmd.Wait()
}

func TestSessionForwards(t *testing.T) {
	probe(t, namespace.AsNeeded(namespace.PID|namespace.Mount))
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
	circle := dir + "/circle"
	require.NoError(t, os.Symlink("circle", circle))
	_, err = lookup("tool", []string{"PATH=" + circle})
	require.ErrorIs(t, err, unix.ELOOP,
		"a PATH entry that cannot be searched is not treated as empty")
	got, err = lookup("tool", []string{"PATH=" + circle + ":" + dir})
	require.NoError(t, err)
	require.Equal(t, dir+"/tool", got)
	_, err = lookup("absent", env)
	require.ErrorIs(t, err, os.ErrNotExist)
	got, err = lookup("./x", env)
	require.NoError(t, err)
	require.Equal(t, "./x", got, "a path is used as it is")
}

// probe runs true in the namespaces. It skips the test only if they cannot be created; a later
// error is a failure.
func probe(t *testing.T, s namespace.Spec) {
	t.Helper()
	cmd := exec.Command("true")
	s.Apply(cmd)
	if err := cmd.Run(); err != nil {
		t.Skipf("namespaces (%s) cannot be created here: %v", s.New, err)
	}
}
