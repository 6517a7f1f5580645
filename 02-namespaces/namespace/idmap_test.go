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

// distinct returns s with other IDs for groups than for users: an ordinary user and its group often
// have the same number, and one map would pass for the other.
func distinct(s Spec) Spec {
	s.GIDs = slices.Clone(s.GIDs)
	s.GIDs[0].Inside += 7
	return s
}

// words returns a map in one line.
func words(ms []IDMap) string { return strings.Join(strings.Fields(lines(ms)), " ") }

// A process waits in a new user namespace until its ID maps are written. The test reads them back
// from outside.
func TestWriteMaps(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	if err := cmd.Start(); err != nil {
		t.Skipf("no user namespaces can be created here (%v): go run ./lessons doctor says why",
			err)
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
	claim.Equal(t, "root inside maps to the requested user outside", "/proc/PID/uid_map",
		words(s.UIDs), uids)
	claim.Equal(t, "the group inside maps to the requested group outside", "/proc/PID/gid_map",
		words(s.GIDs), gids)
	want := "deny"
	if s.Setgroups {
		want = "allow"
	}
	claim.Equal(t, "groups can be set inside only if s.Setgroups is true", "/proc/PID/setgroups",
		want, groups)

	// The other value, for another process. For an ordinary user gid_map then fails with EPERM.
	// That is right: the caller must get the error, and not a container in which groups cannot be
	// set.
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
	// A user namespace in which groups cannot be set passes that on to its children: then "allow"
	// itself fails.
	if s.Setgroups && strings.TrimSpace(read("/proc/self/setgroups")) == "deny" {
		claim.True(t, "the caller gets an error unless groups can be set inside",
			"the function's own error", err != nil, "an error", err)
		return
	}
	claim.Equal(t, "groups can be set inside if and only if s.Setgroups is true",
		"/proc/PID/setgroups",
		map[bool]string{true: "allow", false: "deny"}[s.Setgroups], fields("setgroups"))
	claim.Equal(t, "our own map is unchanged", "/proc/self/uid_map", ours,
		read("/proc/self/uid_map"))
}
