//go:build linux

package container

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/02-namespaces/procfs"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/kit/errno"
)

// inventory is a shell's look around inside. It uses nothing but builtins, so it needs no program but sh.
const inventory = `
read name </proc/sys/kernel/hostname; echo "hostname=$name"
set -- /proc/[0-9]*; echo "processes=$#"
echo "root=$(echo /*)"
while read key value; do case $key in CapEff:) echo "capabilities=$value";; NoNewPrivs:) echo "nonewprivs=$value";; esac; done </proc/self/status
read lent </etc/lent; echo "lent=$lent"
read resolv </etc/resolv.conf; echo "resolv=$resolv"
[ -c /dev/null ] && echo "null=device"
[ -d /sys/class/net/lo ] && { read flags </sys/class/net/lo/flags; echo "lo=$flags"; }
(echo x >/proc/sys/kernel/domainname) 2>/dev/null && echo "settings=written" || echo "settings=refused"
lines=0; while read line; do lines=$((lines+1)); done </proc/interrupts; echo "interrupts=$lines"
`

// The order of assembly makes a container: with each part done, where it can be done, and none undone by a later one.
func TestOrder(t *testing.T) {
	needNamespaces(t)
	parts, err := order()
	claim.NoError(t, "order lists the parts", err)
	list := make([]string, len(parts))
	for i, p := range parts {
		list[i] = string(p)
	}
	claim.State(t, "order", strings.Join(list, " "))
	for _, p := range []Part{Born, Named, Base, Etc, Dev, Proc, Sys, Volumes, Pivoted, Covered, Connected, Walled} {
		claim.True(t, "every part is in the list", "order()", slices.Contains(parts, p), p, strings.Join(list, " "))
	}
	claim.Equal(t, "each is there once, and nothing else", "order()", 12, len(parts))

	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chmod(dir, 0o755))
	resolv := filepath.Join(dir, "resolv")
	require.NoError(t, os.WriteFile(resolv, []byte("nameserver 192.0.2.1\n"), 0o644))
	var done []string
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	status, err := Run(Config{
		Args: []string{"sh", "-c", inventory}, Hostname: "box", Stdout: w, Stderr: os.Stderr,
		Root: rootfs.Spec{Volumes: []rootfs.Volume{
			{Source: resolv, Target: "/etc/resolv.conf", ReadOnly: true},
			{Source: resolv, Target: "/etc/lent", ReadOnly: true},
		}},
		Trace: func(_ *procfs.Process, p Part) { done = append(done, string(p)) },
	})
	w.Close()
	claim.State(t, "done", strings.Join(done, " "))
	claim.State(t, "errno", errno.Outcome(err))
	claim.State(t, "exit status", status)
	out, e := io.ReadAll(r)
	require.NoError(t, e)
	inside := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		inside[key] = value
		claim.State(t, key, value)
	}
	claim.NoError(t, "every part can be done where it stands, and the container runs a shell", err)
	claim.Equal(t, "the shell ends well", "wait4(2)", 0, status)
	claim.Equal(t, "inside, the hostname is the container's", "/proc/sys/kernel/hostname inside", "box", inside["hostname"])
	claim.Equal(t, "/proc shows PID 1 and the shell", "the numbers in /proc inside", "2", inside["processes"])
	claim.Equal(t, "/dev/null is a device", "stat(2) inside", "device", inside["null"])
	claim.Equal(t, "what was lent over /etc/resolv.conf is there", "reading it inside", "nameserver 192.0.2.1", inside["resolv"])
	claim.Equal(t, "the kernel's settings cannot be written", "open(2) inside", "refused", inside["settings"])
	claim.Equal(t, "/proc/interrupts is covered", "reading it inside", "0", inside["interrupts"])
	claim.Equal(t, "the loopback is up", "/sys/class/net/lo/flags inside", "0x9", inside["lo"])
	claim.Equal(t, "the capabilities are docker's default set", "/proc/self/status inside", fmt.Sprintf("%016x", keptMask()), inside["capabilities"])
	claim.Equal(t, "and no program gives more", "/proc/self/status inside", "1", inside["nonewprivs"])
}
