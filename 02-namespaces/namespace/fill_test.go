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

// A process is started with what Fill asks for, and says where it is.
func TestFill(t *testing.T) {
	try := exec.Command("true")
	room.Apply(try, uintptr(PID|UTS|IPC))
	if err := try.Run(); err != nil {
		t.Skipf("no user namespaces can be made here (%v): go run ./lessons doctor says why", err)
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
	claim.NoError(t, "Fill can ask for these namespaces", err)
	if (a.Cloneflags|a.Unshareflags)&uintptr(User) == 0 {
		// Not to be tried: with maps and without the flag, Go's parent waits for its child, and the child for its maps.
		claim.Equal(t, "namespaces of the kinds of s.New are asked for", "syscall.SysProcAttr, Cloneflags", "pid,uts,ipc,user", Set(a.Cloneflags).String())
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
	claim.NoError(t, "a process can be started with what Fill asks for", started)
	const links = "/proc/self/ns/*, read inside"
	claim.Equal(t, "it has namespaces of the kinds that were asked for, and no others", links, "uts ipc user", strings.Join(different, " "))
	claim.Equal(t, "it is number 1 of its PID namespace: it was born there", "getpid(2), inside", "1", inside["pid"])
	claim.Equal(t, "it is root in its own eyes", "getuid(2) and getgid(2), inside", "0 0", inside["uid"]+" "+inside["gid"])
	caps, _ := strconv.ParseUint(inside["caps"], 16, 64)
	claim.True(t, "it has capabilities in its user namespace", "/proc/self/status, CapEff, inside", caps != 0, "not 0", inside["caps"])
	claim.Equal(t, "groups cannot be set inside", "/proc/self/setgroups, inside", "deny", inside["setgroups"])
	claim.Equal(t, "it becomes root whoever it was before", "syscall.SysProcAttr, Credential", "0 0", credential)
	claim.NoError(t, "Fill can ask for other maps", askedErr)
	claim.Equal(t, "the map for users is that of s.UIDs", "syscall.SysProcAttr, UidMappings",
		"[{1 2 3}]", fmt.Sprint(asked.UidMappings))
	claim.Equal(t, "the map for groups is that of s.GIDs", "syscall.SysProcAttr, GidMappings",
		"[{4 5 6}]", fmt.Sprint(asked.GidMappings))
	claim.Equal(t, "groups can be set inside if s.Setgroups says so",
		"syscall.SysProcAttr, GidMappingsEnableSetgroups", true, asked.GidMappingsEnableSetgroups)

	none := &syscall.SysProcAttr{}
	claim.NoError(t, "without User there is nobody to map", Spec{New: UTS}.Fill(none))
	claim.True(t, "without User nobody is mapped", "syscall.SysProcAttr", none.Credential == nil && none.UidMappings == nil,
		"no Credential and no maps", fmt.Sprint(none.Credential, " ", none.UidMappings))
}
