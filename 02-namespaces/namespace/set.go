//go:build linux

package namespace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

// A Set is a set of kinds of namespaces, as the flags of clone(2), unshare(2) and setns(2).
type Set uintptr

// The eight kinds. See namespaces(7), and for each one the page named after it.
const (
	PID    Set = unix.CLONE_NEWPID    // PIDs: pid_namespaces(7)
	UTS    Set = unix.CLONE_NEWUTS    // the hostname: uts_namespaces(7)
	Mount  Set = unix.CLONE_NEWNS     // the tree of mounts: mount_namespaces(7); the first, hence its name
	IPC    Set = unix.CLONE_NEWIPC    // System V objects and POSIX queues: ipc_namespaces(7)
	User   Set = unix.CLONE_NEWUSER   // users, groups, capabilities: user_namespaces(7)
	Net    Set = unix.CLONE_NEWNET    // links, addresses, ports: network_namespaces(7)
	Time   Set = unix.CLONE_NEWTIME   // the clocks since boot: time_namespaces(7)
	Cgroup Set = unix.CLONE_NEWCGROUP // the root of the cgroup hierarchy: cgroup_namespaces(7)

	// All holds the kinds that a container has.
	All = PID | UTS | Mount | IPC | User | Net | Time | Cgroup
)

// A Type is one kind of namespace with its name in /proc/PID/ns.
type Type struct {
	Name string
	Flag Set
}

// Types lists the eight kinds in the order of the course.
func Types() []Type {
	return []Type{
		{"pid", PID}, {"uts", UTS}, {"mnt", Mount}, {"ipc", IPC},
		{"user", User}, {"net", Net}, {"time", Time}, {"cgroup", Cgroup},
	}
}

// Types lists the kinds in the set.
func (s Set) Types() (list []Type) {
	for _, t := range Types() {
		if s&t.Flag != 0 {
			list = append(list, t)
		}
	}
	return list
}

// String names the kinds in the set: "pid,uts".
func (s Set) String() string {
	var names []string
	for _, t := range s.Types() {
		names = append(names, t.Name)
	}
	return strings.Join(names, ",")
}

// Took reports, as an error, which of these namespaces our new child shares with us. Call it before
// the child changes anything: a Fill that forgets a flag causes no error, and the child would
// change the host instead of a new namespace.
func (s Set) Took(pid int) error {
	ours, err := procfs.Of(0)
	if err != nil {
		return err
	}
	theirs, err := procfs.Of(pid)
	if err != nil {
		return err
	}
	var shared Set
	for _, t := range Types() {
		if s&t.Flag != 0 && ours[t.Name] == theirs[t.Name] {
			shared |= t.Flag
		}
	}
	if shared != 0 {
		return fmt.Errorf("process %d should be in new namespaces (%s), but shares %s with us: "+
			"are they in Cloneflags? (clone(2))", pid, s, shared)
	}
	return nil
}

// HasTime reports whether this kernel has time namespaces: Linux 5.6 or later with CONFIG_TIME_NS,
// which the kernels of WSL and User-mode Linux lack. Every kernel that the course runs on has the
// other kinds.
func HasTime() bool {
	_, err := os.Stat("/proc/self/ns/time")
	return !errors.Is(err, fs.ErrNotExist)
}
