//go:build linux

package namespace

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/exercise/claim"
)

// distinct is s with other IDs for groups than for users: an ordinary user and its group often have the
// same number, and a map of the one would pass for a map of the other.
func distinct(s Spec) Spec {
	s.GIDs = slices.Clone(s.GIDs)
	s.GIDs[0].Inside += 7
	return s
}

// words is a map in one line.
func words(ms []IDMap) string { return strings.Join(strings.Fields(lines(ms)), " ") }

// A process in a new user namespace waits, and is told who is who. What the kernel has understood is read from outside.
func TestWriteMaps(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	if err := cmd.Start(); err != nil {
		t.Skipf("no user namespaces can be made here (%v): go run ./lessons doctor says why", err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	ours := read("/proc/self/uid_map")
	s := distinct(Container())
	claim.State(t, "s.UIDs", words(s.UIDs))
	claim.State(t, "s.GIDs", words(s.GIDs))
	process, err := procfs.Open(cmd.Process.Pid)
	require.NoError(t, err)
	defer process.Close()
	err = s.writeMaps(process)

	dir := "/proc/" + strconv.Itoa(cmd.Process.Pid) + "/"
	fields := func(file string) string { return strings.Join(strings.Fields(read(dir+file)), " ") }
	uids, gids, groups := fields("uid_map"), fields("gid_map"), fields("setgroups")
	claim.State(t, "uid_map", uids)
	claim.State(t, "gid_map", gids)
	claim.State(t, "setgroups", groups)
	claim.NoError(t, "the maps of a new user namespace can be written", err)
	claim.Equal(t, "root inside is the user outside that was asked for", "/proc/PID/uid_map", words(s.UIDs), uids)
	claim.Equal(t, "and so is the group", "/proc/PID/gid_map", words(s.GIDs), gids)
	want := "deny"
	if s.Setgroups {
		want = "allow"
	}
	claim.Equal(t, "groups can be set inside only if that was asked for", "/proc/PID/setgroups", want, groups)

	// The other word, for another process. The kernel refuses gid_map to an ordinary user then, which is right: he is to
	// hear of it, and not to get a container in which groups cannot be set.
	other := exec.Command("sleep", "60")
	other.SysProcAttr = cmd.SysProcAttr
	require.NoError(t, other.Start())
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	s.Setgroups = !s.Setgroups
	stranger, err := procfs.Open(other.Process.Pid)
	require.NoError(t, err)
	defer stranger.Close()
	err = s.writeMaps(stranger)
	dir = "/proc/" + strconv.Itoa(other.Process.Pid) + "/"
	// A user namespace in which groups cannot be set hands that down: then "allow" itself fails.
	if s.Setgroups && strings.TrimSpace(read("/proc/self/setgroups")) == "deny" {
		claim.True(t, "the caller hears whether groups can be set inside",
			"the function's own error", err != nil, "an error", err)
		return
	}
	claim.Equal(t, "groups can be set inside if that was asked for, and not otherwise", "/proc/PID/setgroups",
		map[bool]string{true: "allow", false: "deny"}[s.Setgroups], fields("setgroups"))
	claim.Equal(t, "our own map is as before", "/proc/self/uid_map", ours, read("/proc/self/uid_map"))
}
