//go:build linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/stagetest"
)

// hostTrees mounts each hierarchy in its own user namespace, and prints whether its root is the
// host's. Only the host's root has a release_agent on v1 (cgroups(7)), and no cgroup.type on v2
// (cgroup-v2.rst).
const hostTrees = `
for options in $(cut -d: -f2 /proc/self/cgroup); do
	case $options in name=*) options=none,$options;; esac
	unshare -UrmC sh -c "mount -t cgroup -o $options none /tmp && test -e /tmp/release_agent &&
		echo host: $options"
	echo looked at $options
done
unshare -UrmC sh -c "mount -t cgroup2 none /tmp && test ! -e /tmp/cgroup.type && echo host: v2"
echo looked at v2`

// A container that root starts does not see the host's cgroups in any hierarchy, with or without
// limits there.
func TestTheHostsCgroupsAreNotSeenAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("on v1 an ordinary user has no cgroups")
	}
	if _, err := cgroup.Find(); err != nil {
		t.Skip(err)
	}
	outside, err := exec.Command("sh", "-c", hostTrees).CombinedOutput()
	require.NoError(t, err)
	if !strings.Contains(string(outside), "host: ") {
		t.Skip("this machine is in a container itself")
	}
	inside := stagetest.Run(t, "-quiet", "--", "sh", "-c", hostTrees)
	require.Zero(t, inside.Status, inside.Stderr)
	for line := range strings.Lines(string(outside)) {
		if strings.HasPrefix(line, "looked at ") {
			require.Contains(t, inside.Stdout, line)
		}
	}
	require.NotContains(t, inside.Stdout, "host: ", "%s", inside.Stdout)
}
