//go:build linux

package cgroup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/child"
	"containerkit/lessons/exercise/claim"
)

// The joiner gets opened files and tells in which groups it is then.
var joiner = child.Register("cgroup-joiner", func(c *child.Conn) error {
	var names []string
	if err := c.Receive(&names); err != nil {
		return err
	}
	var files []*os.File
	for _, name := range names {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	said := ""
	if err := JoinSelf(files); err != nil {
		said = err.Error()
	}
	own, err := read("/proc/thread-self/cgroup")
	if err != nil {
		return err
	}
	return c.Send([]string{said, own})
})

// Who joins is in every group whose file it was given: on v1 one for each tree; on v2, where there is one tree, in the last.
func TestJoinSelf(t *testing.T) {
	first, second := group(t, Resources{Pids: 20}), group(t, Resources{Pids: 20})
	var names []string
	want := 0
	if first.Version == V2 {
		names, want = []string{first.File("cgroup.procs"), second.File("cgroup.procs")}, 1
	} else {
		for _, dir := range second.all() {
			names = append(names, filepath.Join(dir, "tasks"))
		}
		want = len(names)
	}
	p, err := child.Command(joiner)
	require.NoError(t, err)
	require.NoError(t, p.Start())
	defer p.Close()
	var said []string
	require.NoError(t, p.Send(names))
	require.NoError(t, p.Receive(&said))
	in := strings.Count(said[1], "/"+second.Name)
	claim.State(t, "groups", in)
	claim.State(t, "wanted", want)
	claim.True(t, "who writes to the opened files joins", "the function's own error", said[0] == "", "no error", said[0])
	claim.Equal(t, "it is in each group that it was given", "/proc/PID/cgroup, lines with the group's name", want, in)
}

// All that run in a group and in the groups below die, at once and whatever they think of it.
func TestKillOneByOne(t *testing.T) {
	g := group(t, Resources{})
	below, err := g.Below("deeper")
	require.NoError(t, err)
	for _, in := range []*Group{g, below} {
		start(t, in)
	}
	err = killOneByOne(g.Path("freezer"))
	count := func(in *Group) int {
		for range 50 {
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
	claim.NoError(t, "the processes of a group can be killed", err)
	claim.Equal(t, "nobody is left in the group", "cgroup.procs", 0, above)
	claim.Equal(t, "nor in the group below", "cgroup.procs of the group below", 0, deeper)
}

// start starts a process in a group that does not mind being asked to end.
func start(t *testing.T, in *Group) {
	t.Helper()
	cmd := exec.Command("sh", "-c", "trap '' TERM INT HUP; echo ready; while :; do sleep 1; done")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	after, err := in.Prepare(cmd)
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	after()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	_, err = out.Read(make([]byte, 16))
	require.NoError(t, err)
}
