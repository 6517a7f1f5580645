//go:build linux

package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/kit/child"
)

// Every process in a cgroup and in the cgroups below it is killed, whatever signals it ignores.
func TestKillOneByOne(t *testing.T) {
	g := group(t, Resources{})
	below, err := g.Below("deeper")
	require.NoError(t, err)
	for _, in := range []*Group{g, below} {
		stubborn(t, in)
	}
	err = killOneByOne(g.Path("freezer"))
	count := func(in *Group) int {
		for range 200 { // this can take a moment on a busy or emulated CPU
			if pids, err := in.Procs(); err == nil && len(pids) == 0 {
				return 0
			}
			unix.Nanosleep(&unix.Timespec{Nsec: 10e6}, nil)
		}
		pids, _ := in.Procs()
		return len(pids)
	}
	above, deeper := count(g), count(below)
	claim.State(t, "left", above)
	claim.State(t, "left below", deeper)
	claim.NoError(t, "the processes of a cgroup can be killed", err)
	claim.Equal(t, "no process is left in the cgroup", "cgroup.procs", 0, above)
	claim.Equal(t, "no process is left in the cgroup below", "cgroup.procs of the cgroup below", 0,
		deeper)
}

// The killer kills the processes that the lists in a directory name. A 0 among them is its own
// process group, if it does not skip it.
var killer = child.Register("cgroup-killer", func(c *child.Conn) error {
	var dir string
	if err := c.Receive(&dir); err != nil {
		return err
	}
	said := ""
	if err := killOneByOne(dir); err != nil {
		said = err.Error()
	}
	return c.Send(said)
})

// If no cgroup can be created, a directory with lists in it stands in for one. The lists also name
// what is rarely in a cgroup: a process that has exited, and a process that we cannot see.
func TestKillOneByOneFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "deeper"), 0o755))
	const gone = 1<<22 + 1 // above the kernel's highest PID: proc_sys_kernel(5), pid_max
	above, deeper := stubborn(t, nil), stubborn(t, nil)
	list := func(name string, ids ...int) {
		text := strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", "\n"), "[]") + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	list("cgroup.procs", gone, 0, above.Process.Pid)
	list("deeper/cgroup.procs", deeper.Process.Pid)

	runtime.LockOSThread() // the child is killed when the thread that started it exits
	defer runtime.UnlockOSThread()
	p, err := child.Command(killer)
	require.NoError(t, err)
	p.SysProcAttr.Setpgid = true
	require.NoError(t, p.Start())
	defer p.Close()
	require.NoError(t, p.Send(dir))
	var said string
	err = p.Receive(&said)
	left := func(cmd *exec.Cmd) (n int) {
		for range 200 {
			if state, err := read(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid)); err != nil || strings.Contains(state, ") Z ") {
				return 0
			}
			unix.Nanosleep(&unix.Timespec{Nsec: 10e6}, nil)
		}
		return 1
	}
	claim.State(t, "killer", err)
	claim.State(t, "left", left(above))
	claim.State(t, "left below", left(deeper))
	claim.True(t, "the process that kills survives", "the killer's own answer", err == nil,
		"an answer", fmt.Sprint("none: ", err))
	claim.True(t, "a process that has gone already is no error", "the function's own error", said == "", "no error", said)
	claim.Equal(t, "no process on the list is left",
		"/proc, the processes in a plain file in place of cgroup.procs", 0, left(above))
	claim.Equal(t, "no process on the list below is left",
		"/proc, the processes in a plain file in place of the cgroup.procs below", 0, left(deeper))
}

// stubborn starts a process that ignores requests to terminate, in a cgroup if there is one.
func stubborn(t *testing.T, in *Group) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", "trap '' TERM INT HUP; echo ready; while :; do sleep 1; done")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	after := func() {}
	if in != nil {
		after, err = in.Prepare(cmd)
		require.NoError(t, err)
	}
	require.NoError(t, cmd.Start())
	after()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	_, err = out.Read(make([]byte, 16))
	require.NoError(t, err)
	return cmd
}
