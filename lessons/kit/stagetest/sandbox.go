//go:build linux

package stagetest

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A trouble can disturb the commands that a reader types.
type trouble struct {
	name string
	// prepare is a shell script: the shell finds programs in /tmp/bin before the system's, and
	// $script has the commands.
	prepare string
	// works means that the commands must print the same in spite of the trouble.
	works bool
}

var mishaps = []trouble{
	{"unshare is slow", `printf '#!/bin/sh\nsleep 2\nexec %s "$@"\n' "$(command -v unshare)" >/tmp/bin/unshare`, true},
	{"unshare fails", `printf '#!/bin/sh\nexit 1\n' >/tmp/bin/unshare`, false},
	{"mount fails", `printf '#!/bin/sh\nexit 32\n' >/tmp/bin/mount`, false},
	{"the first line is missing", `script=$(printf '%s\n' "$script" | sed -e "/<<'END'\$/d" -e '/^END$/d')`, false},
}

// sandbox is a shell script that simulates the host for commands: it has its own hostname, links,
// addresses, routes, rules and files, and complains if the commands change any of them or leave a
// process behind. The machine's own files are read-only.
const sandbox = `
die() { echo "the sandbox cannot be set up: $1" >&2; exit 99; }
mount --make-rprivate / && mount -t proc proc /proc || die proc
for d in /mnt /run /tmp; do mount -t tmpfs machine $d || die $d; done
mount -o remount,bind,ro / || die /
mkdir /tmp/bin && echo precious >/mnt/file && hostname machine || die files
for d in all default; do [ ! -e /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; done
ip link set lo up && ip link add eth0 type veth peer name wire && ip link set wire up || die links
ip addr add 192.0.2.2/24 dev eth0 && ip link set eth0 up && ip route add default via 192.0.2.1 || die routes
nft add table ip machine || die nft
state() {
	hostname; ip -o addr; ip -o link | cut -d' ' -f2; ip route; nft list ruleset
	cat /proc/self/mountinfo /proc/sys/net/ipv4/ip_forward; find /mnt /run /tmp; ls -A / /etc
}
alive() {
	for p in /proc/[0-9]*; do
		[ $p = /proc/1 ] || ! grep -qs '^State:.[^ZX]' $p/status || cat $p/comm
	done
}
script=$1
eval "$2"
chmod 755 /tmp/bin/* 2>/dev/null
before=$(state)
(PATH=/tmp/bin:$PATH exec sh -c "$script") </dev/null; status=$?
after=$(state)
for i in 1 2 3 4 5 6 7 8 9 10; do
	alive >/tmp/left 2>/dev/null
	[ -s /tmp/left ] || break
	sleep 0.3
done
[ ! -s /tmp/left ] || echo "LEFT BEHIND:" $(cat /tmp/left) >&2
if [ "$before" != "$after" ]; then
	echo "THE HOST CHANGED:" >&2
	echo "$before" >/tmp/before; echo "$after" >/tmp/after; diff /tmp/before /tmp/after >&2
fi
exit $status
`

// noSandbox is the exit status of a sandbox that cannot be set up.
const noSandbox = 99

// inSandbox runs commands as root in a sandbox, where they cannot harm the machine.
func inSandbox(t testing.TB, script, prepare string) (stdout, complaints string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := Me().as(exec.CommandContext(ctx, "sh", "-c", sandbox, "sh", script, prepare))
	cmd.Env = append(cmd.Env, "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "did not exit: %s", script)
	require.NotNil(t, cmd.ProcessState, "%v", err)
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// mishap runs the commands of each step, as root, with each trouble. They must neither reach the
// host nor leave a process behind, and print the same on a slow machine.
func mishap(t *testing.T, scripts map[string]string) {
	for step, script := range scripts {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			shown, said, status := inSandbox(t, script, "")
			if status == noSandbox {
				t.Skip(said) // a tool that the sandbox needs is missing
			}
			require.Zero(t, status, "%s\n---\n%s%s", script, shown, said)
			require.NotContains(t, said, "THE HOST CHANGED")
			require.NotContains(t, said, "LEFT BEHIND")
			for _, m := range mishaps {
				out, said, status := inSandbox(t, script, m.prepare)
				require.NotEqual(t, noSandbox, status, said)
				harmed := strings.Contains(said, "THE HOST CHANGED") || strings.Contains(said, "LEFT BEHIND")
				require.False(t, harmed, "%s:\n%s\n---\n%s", m.name, script, said)
				if m.works {
					require.Zero(t, status, "%s:\n%s\n---\n%s%s", m.name, script, out, said)
					require.Equal(t, essence(shown), essence(out), "%s: the commands print something else:\n%s", m.name, script)
				}
			}
		})
	}
}

// changing matches what differs from run to run: addresses and states of links, and numbers.
var changing = []*regexp.Regexp{
	regexp.MustCompile(`\b(fe80|ff02):\S*|\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b`),
	regexp.MustCompile(`\b(UP|DOWN|LOWERLAYERDOWN|UNKNOWN)\b`),
	regexp.MustCompile(`\b0x[0-9a-f]+|[0-9]+(\.[0-9]+)?`),
}

// essence returns the output of commands without what differs from run to run.
func essence(text string) string {
	for _, what := range changing {
		text = what.ReplaceAllString(text, "")
	}
	return strings.Join(strings.Fields(text), " ")
}
