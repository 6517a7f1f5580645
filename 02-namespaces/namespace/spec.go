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

// An IDMap maps Count user (or group) IDs: those from Inside on to those from Outside on.
// (user_namespaces(7))
type IDMap struct {
	Inside, Outside, Count int
}

// A Spec describes the namespaces in which a process is created.
type Spec struct {
	New        Set     // the namespaces to create
	UIDs, GIDs []IDMap // the UID and GID mappings, if New has User
	// Setgroups allows setgroups(2) inside. The kernel denies it for a map written without
	// privilege, because groups can also take rights away: a file of mode 0705 denies its group
	// what it allows all others.
	Setgroups bool
}

// AsNeeded returns the Spec for these namespaces. It adds a user namespace if we are not allowed to
// create them otherwise: every kind except User requires CAP_SYS_ADMIN, which an ordinary user has
// only in its own user namespace.
func AsNeeded(s Set) Spec {
	if s&User == 0 && Capable(unix.CAP_SYS_ADMIN) {
		return Spec{New: s}
	}
	return Spec{New: s | User, UIDs: []IDMap{{0, os.Geteuid(), 1}}, GIDs: []IDMap{{0, os.Getegid(), 1}}}
}

// FirstID and IDCount are the range of IDs for containers, if we are allowed to map any. systemd
// reserves the range for containers (systemd's UIDS-GIDS.md). So no account uses these UIDs, and a
// process that escapes the container has no privileges on the host. (Containers of an ordinary user
// can have them, too: /etc/subuid starts with 524288 on Fedora; if it starts with 100000, they
// belong to the seventh user.)
const (
	FirstID = 524288
	IDCount = 65536
)

// Container returns the Spec of a container's first process. Its user namespace maps root to
// FirstID if we are allowed to do that, and to ourselves otherwise. It leaves out Time and Cgroup:
// UnshareTime and UnshareCgroup say why they must wait.
func Container() Spec {
	uids, gids := ContainerIDs()
	s := Spec{New: All &^ (Time | Cgroup), UIDs: uids, GIDs: gids}
	s.Setgroups = s.Shifted()
	return s
}

// Shifted reports whether root inside is not a user of the host, so that the files of host users
// belong to nobody (65534) inside.
func (s Spec) Shifted() bool { return len(s.UIDs) > 0 && s.UIDs[0].Outside == FirstID }

// ContainerIDs returns the maps for a container's user namespace: its own range if we are allowed
// to map one, otherwise only ourselves. It reads our own maps, because we can be in a user
// namespace with fewer IDs than the host.
func ContainerIDs() (uids, gids []IDMap) {
	if Capable(unix.CAP_SETUID) && Capable(unix.CAP_SETGID) &&
		covers(read("/proc/self/uid_map"), FirstID, IDCount) && covers(read("/proc/self/gid_map"), FirstID, IDCount) {
		m := []IDMap{{0, FirstID, IDCount}}
		return m, m
	}
	return []IDMap{{0, os.Geteuid(), 1}}, []IDMap{{0, os.Getegid(), 1}}
}

func read(path string) string {
	raw, _ := os.ReadFile(path) // without a file there is no map
	return string(raw)
}

// covers reports whether one line of a map, as /proc/PID/uid_map shows it, contains all count IDs
// from first on.
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

// Apply makes cmd start its process in the new namespaces. It keeps the other fields of
// SysProcAttr.
//
// os/exec passes the flags to clone(2), or to clone3(2) for Time: clone uses the low byte of its
// flags, which includes CLONE_NEWTIME, for the child's exit signal. cmd.Start returns an error of
// Fill.
func (s Spec) Apply(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if err := s.Fill(cmd.SysProcAttr); err != nil && cmd.Err == nil {
		cmd.Err = err
	}
}

// Start starts a program in the new namespaces, as the function Start does. b can add more.
func (s Spec) Start(p Program, b Birth) (*procfs.Process, error) {
	if err := s.Fill(&b.Attr); err != nil {
		return nil, err
	}
	if s.New&User != 0 {
		b.WriteMaps = s.writeMaps
	}
	return Start(p, b)
}

// lines returns a map in the form that the kernel reads.
func lines(ms []IDMap) (text string) {
	for _, m := range ms {
		text += fmt.Sprintf("%d %d %d\n", m.Inside, m.Outside, m.Count)
	}
	return text
}

// sys returns a map in the form of package syscall.
func sys(ms []IDMap) (out []syscall.SysProcIDMap) {
	for _, m := range ms {
		out = append(out, syscall.SysProcIDMap{ContainerID: m.Inside, HostID: m.Outside, Size: m.Count})
	}
	return out
}

// Capable reports whether the calling thread has the capability in its own user namespace.
// (capget(2))
func Capable(capability int) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
