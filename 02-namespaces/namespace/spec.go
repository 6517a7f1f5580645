//go:build linux

package namespace

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

// An IDMap says that Count user (or group) IDs from Inside on are those from Outside on: user_namespaces(7).
type IDMap struct {
	Inside, Outside, Count int
}

// A Spec is what a process is to be born with.
type Spec struct {
	New        Set     // the namespaces to make
	UIDs, GIDs []IDMap // who is who, if New has User
	// Setgroups allows setgroups(2) inside. The kernel denies it to a map written without privilege, because groups
	// can also take rights away: a file of mode 0705 refuses its group what it gives to all others.
	Setgroups bool
}

// AsNeeded is the Spec for these namespaces, with a user namespace around them if we may not make them otherwise:
// every kind but User wants CAP_SYS_ADMIN, which an ordinary user has only in a user namespace of his own.
func AsNeeded(s Set) Spec {
	if s&User == 0 && Capable(unix.CAP_SYS_ADMIN) {
		return Spec{New: s}
	}
	return Spec{New: s | User, UIDs: []IDMap{{0, os.Geteuid(), 1}}, GIDs: []IDMap{{0, os.Getegid(), 1}}}
}

// IDs that containers get when we may hand out any: 65536 from here on. systemd reserves the range for containers
// (systemd's UIDS-GIDS.md), so nobody logs in with one of them, and who breaks out as one of them is nobody. (Containers of
// an ordinary user may have them too: /etc/subuid begins with 524288 on Fedora; where it begins with 100000, the seventh
// user has them.)
const (
	FirstID = 524288
	IDCount = 65536
)

// Container is the Spec of a container's first process. Its user namespace maps root to FirstID if we may do that,
// and to ourselves otherwise. Time and cgroup are missing here: see UnshareTime and UnshareCgroup for why they have
// to wait.
func Container() Spec {
	uids, gids := ContainerIDs()
	s := Spec{New: All &^ (Time | Cgroup), UIDs: uids, GIDs: gids}
	s.Setgroups = s.Shifted()
	return s
}

// Shifted tells whether root inside is none of the host's users, so that files of theirs belong to nobody inside.
func (s Spec) Shifted() bool { return len(s.UIDs) > 0 && s.UIDs[0].Outside == FirstID }

// ContainerIDs are the maps for a container's user namespace: a range of its own if we may set it up, else ourselves
// alone. It looks at our own maps, because we may be in a user namespace, where fewer IDs exist than on the host.
func ContainerIDs() (uids, gids []IDMap) {
	if Capable(unix.CAP_SETUID) && Capable(unix.CAP_SETGID) &&
		covers(read("/proc/self/uid_map"), FirstID, IDCount) && covers(read("/proc/self/gid_map"), FirstID, IDCount) {
		m := []IDMap{{0, FirstID, IDCount}}
		return m, m
	}
	return []IDMap{{0, os.Geteuid(), 1}}, []IDMap{{0, os.Getegid(), 1}}
}

func read(path string) string {
	raw, _ := os.ReadFile(path) // no file, no map: nothing is covered
	return string(raw)
}

// covers tells whether a map, as /proc/PID/uid_map shows it, holds all count IDs from first on, in one line.
func covers(idMap string, first, count int) bool {
	for line := range strings.Lines(idMap) {
		var m IDMap
		if _, err := fmt.Sscan(line, &m.Inside, &m.Outside, &m.Count); err == nil &&
			m.Inside <= first && first+count <= m.Inside+m.Count {
			return true
		}
	}
	return false
}

// Apply makes cmd start its process in the new namespaces. It keeps what else SysProcAttr holds.
//
// os/exec passes the flags to clone(2), or to clone3(2) for Time, because clone keeps the low byte of its flags, where
// CLONE_NEWTIME lies, for the child's exit signal. An error of Fill is what cmd.Start returns.
func (s Spec) Apply(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if err := s.Fill(cmd.SysProcAttr); err != nil && cmd.Err == nil {
		cmd.Err = err
	}
}

// Start starts a program in the new namespaces, as function Start does. b may ask for more.
func (s Spec) Start(p Program, b Birth) (*procfs.Process, error) {
	if err := s.Fill(&b.Attr); err != nil {
		return nil, err
	}
	if s.New&User != 0 {
		b.WriteMaps = s.writeMaps
	}
	return Start(p, b)
}

// lines is a map as the kernel reads it.
func lines(ms []IDMap) (text string) {
	for _, m := range ms {
		text += fmt.Sprintf("%d %d %d\n", m.Inside, m.Outside, m.Count)
	}
	return text
}

// sys is a map as package syscall wants it.
func sys(ms []IDMap) (out []syscall.SysProcIDMap) {
	for _, m := range ms {
		out = append(out, syscall.SysProcIDMap{ContainerID: m.Inside, HostID: m.Outside, Size: m.Count})
	}
	return out
}

// Capable tells whether the calling thread has the capability in its own user namespace: capget(2).
func Capable(capability int) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
