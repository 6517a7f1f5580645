//go:build linux

package cgroup

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// raise tries to raise the container's own limits as root. It creates a user namespace, mounts the
// cgroup hierarchy, and moves into a new cgroup. From there the next cgroup namespace is no
// delegation boundary for the cgroup above (nsdelegate). Then it uses more than its limits allow.
// The container is the first unshare.
const raise = `
exec unshare --user --map-root-user --mount --cgroup sh -c '
exec unshare --user --map-root-user --mount --cgroup sh -c "
mount -t cgroup2 none /mnt && mkdir /mnt/x && echo \$\$ > /mnt/x/cgroup.procs && echo moved || exit
exec unshare --cgroup sh -c \"
	for file in /mnt/memory.max /mnt/memory.swap.max /mnt/pids.max; do
		echo max > \\\$file && echo wrote \\\$file
	done
	dd if=/dev/zero of=/dev/null bs=64M count=1 && echo held 64 MiB
	for i in 1 2 3 4 5 6 7 8 9 0; do sleep 2 & sleep 2 & sleep 2 & done; wait\"
"' 2>&1`

// The limits apply to root in a container, even if an ordinary user started it and owns all of the
// cgroup's files: the limits are not in the cgroup that it can reach.
func TestRootInsideCannotRaiseTheLimits(t *testing.T) {
	g := group(t, Resources{Pids: 20, Memory: 32 << 20})
	if g.Version == V1 {
		t.Skip("on v1, root in a container does not own the cgroup's files")
	}
	cmd := exec.Command("sh", "-c", raise)
	after, err := g.Prepare(cmd)
	require.NoError(t, err)
	said, _ := cmd.Output()
	after()
	const control = "the control: root inside can create cgroups and move: %s"
	require.Contains(t, string(said), "moved\n", control, said)
	require.NotContains(t, string(said), "held", "%s", said)
	want := map[string]string{"pids.max": "20", "memory.max": "33554432", "memory.swap.max": "0"}
	for file, want := range want {
		got, err := g.Get(file)
		if file == "memory.swap.max" && os.IsNotExist(err) {
			continue // this kernel does not count swap
		}
		require.NoError(t, err)
		require.Equal(t, want, strings.TrimSpace(got), "%s, after: %s", file, said)
	}
	require.Positive(t, g.Stats().OOMKills, "%s", said)
	require.Positive(t, g.Stats().PidsRefused, "%s", said)
}

// A limit that is too small for a single process makes the start fail, and leaves nothing behind.
func TestTooSmallALimitLeavesNothing(t *testing.T) {
	g := group(t, Resources{Memory: int64(os.Getpagesize())})
	cmd := exec.Command("sleep", "60")
	after, err := g.Prepare(cmd)
	require.NoError(t, err)
	if cmd.Start() == nil {
		require.Error(t, cmd.Wait(), "it cannot run in one page of memory")
	}
	after()
	dirs := g.all()
	require.NoError(t, g.Remove())
	for _, dir := range dirs {
		require.NoDirExists(t, dir)
	}
}
