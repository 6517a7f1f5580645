//go:build linux

package namespace

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
)

// A process starts with what Fill requests, and prints its namespaces.
func TestFill(t *testing.T) {
	try := exec.Command("true")
	room.Apply(try, uintptr(PID|UTS|IPC))
	if err := try.Run(); err != nil {
		t.Skipf("no user namespaces can be created here (%v): go run ./lessons doctor says why",
			err)
	}
	uids, gids := ContainerIDs()
	s := Spec{New: User | PID | UTS, UIDs: uids, GIDs: gids}
	cmd := exec.Command("sh", "-c", `echo pid $$; echo uid $(id -u); echo gid $(id -g); echo setgroups $(cat /proc/self/setgroups)
		echo caps $(grep CapEff /proc/self/status | cut -f 2); for k in uts ipc user net; do echo $k $(readlink /proc/self/ns/$k); done`)
	a := &syscall.SysProcAttr{Cloneflags: uintptr(IPC), Pdeathsig: unix.SIGKILL}
	cmd.SysProcAttr = a
	err := s.Fill(a)
	credential := "none"
	if a.Credential != nil {
		credential = fmt.Sprint(a.Credential.Uid, " ", a.Credential.Gid)
	}
	maps := ""
	if len(a.UidMappings) > 0 {
		maps = "uid "
	}
	if len(a.GidMappings) > 0 {
		maps += "gid"
	}
	claim.State(t, "clone flags", Set(a.Cloneflags))
	claim.State(t, "unshare flags", a.Unshareflags)
	if a.Cloneflags&uintptr(IPC) == 0 {
		claim.State(t, "flags before", "lost")
	}
	claim.State(t, "maps", maps)
	claim.State(t, "credential", credential)
	claim.State(t, "groups may be set", a.GidMappingsEnableSetgroups)
	asked := &syscall.SysProcAttr{}
	askedErr := Spec{New: User, UIDs: []IDMap{{1, 2, 3}}, GIDs: []IDMap{{4, 5, 6}}, Setgroups: true}.Fill(asked)
	claim.State(t, "groups may be set if asked for", asked.GidMappingsEnableSetgroups)
	claim.State(t, "a second map for users", asked.UidMappings)
	claim.State(t, "a second map for groups", asked.GidMappings)
	claim.NoError(t, "Fill can request these namespaces", err)
	if (a.Cloneflags|a.Unshareflags)&uintptr(User) == 0 {
		// Do not try: with maps and without the flag, the parent waits for its child, and the child
		// for its maps.
		claim.Equal(t, "Fill requests namespaces of the kinds in s.New",
			"syscall.SysProcAttr, Cloneflags", "pid,uts,ipc,user", Set(a.Cloneflags).String())
	}

	said, started := cmd.Output()
	inside := map[string]string{}
	for line := range strings.Lines(string(said)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		inside[name] = strings.TrimSpace(value)
	}
	ours, oursErr := procfs.Of(unix.Getpid())
	claim.NoError(t, "our own namespaces can be read", oursErr)
	var different []string
	for _, kind := range []string{"uts", "ipc", "user", "net"} {
		if inside[kind] != "" && inside[kind] != fmt.Sprintf("%s:[%d]", kind, ours[kind]) {
			different = append(different, kind)
		}
	}
	claim.State(t, "started", started)
	claim.State(t, "setgroups", inside["setgroups"])
	claim.NoError(t, "a process can be started with what Fill requests", started)
	const links = "/proc/self/ns/*, read inside"
	claim.Equal(t, "the process is in new namespaces of the requested kinds, and no others", links,
		"uts ipc user", strings.Join(different, " "))
	claim.Equal(t, "the process is PID 1: it was created in its PID namespace", "getpid(2), inside",
		"1", inside["pid"])
	claim.Equal(t, "the process is root inside", "getuid(2) and getgid(2), inside", "0 0",
		inside["uid"]+" "+inside["gid"])
	caps, _ := strconv.ParseUint(inside["caps"], 16, 64)
	claim.True(t, "the process has capabilities in its user namespace",
		"/proc/self/status, CapEff, inside", caps != 0, "not 0", inside["caps"])
	claim.Equal(t, "groups cannot be set inside", "/proc/self/setgroups, inside", "deny", inside["setgroups"])
	claim.Equal(t, "the process becomes root, whatever its user was before",
		"syscall.SysProcAttr, Credential", "0 0", credential)
	claim.NoError(t, "Fill can request other maps", askedErr)
	claim.Equal(t, "the map for users is that of s.UIDs", "syscall.SysProcAttr, UidMappings",
		"[{1 2 3}]", fmt.Sprint(asked.UidMappings))
	claim.Equal(t, "the map for groups is that of s.GIDs", "syscall.SysProcAttr, GidMappings",
		"[{4 5 6}]", fmt.Sprint(asked.GidMappings))
	claim.Equal(t, "groups can be set inside if s.Setgroups is true",
		"syscall.SysProcAttr, GidMappingsEnableSetgroups", true, asked.GidMappingsEnableSetgroups)

	none := &syscall.SysProcAttr{}
	claim.NoError(t, "without User there are no IDs to map", Spec{New: UTS}.Fill(none))
	claim.True(t, "without User no IDs are mapped", "syscall.SysProcAttr",
		none.Credential == nil && none.UidMappings == nil,
		"no Credential and no maps", fmt.Sprint(none.Credential, " ", none.UidMappings))
}
