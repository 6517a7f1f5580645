//go:build linux

package namespace

import (
	"strings"

	"golang.org/x/sys/unix"
)

// A Set is any number of kinds of namespaces, as the flags of clone(2), unshare(2) and setns(2).
type Set uintptr

// The eight kinds. See namespaces(7), and for each one the page named after it.
const (
	PID    Set = unix.CLONE_NEWPID    // process numbers: pid_namespaces(7)
	UTS    Set = unix.CLONE_NEWUTS    // the hostname: uts_namespaces(7)
	Mount  Set = unix.CLONE_NEWNS     // the tree of mounts: mount_namespaces(7). The first kind, hence the name.
	IPC    Set = unix.CLONE_NEWIPC    // System V objects and POSIX queues: ipc_namespaces(7)
	User   Set = unix.CLONE_NEWUSER   // users, groups, capabilities: user_namespaces(7)
	Net    Set = unix.CLONE_NEWNET    // links, addresses, ports: network_namespaces(7)
	Time   Set = unix.CLONE_NEWTIME   // the clocks since boot: time_namespaces(7)
	Cgroup Set = unix.CLONE_NEWCGROUP // where the cgroup tree begins: cgroup_namespaces(7)

	// All is what a container has.
	All = PID | UTS | Mount | IPC | User | Net | Time | Cgroup
)

// A Type is one kind of namespace under the name that it has in /proc/PID/ns.
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

// String names the kinds in the set: "pid,uts".
func (s Set) String() string {
	var names []string
	for _, t := range Types() {
		if s&t.Flag != 0 {
			names = append(names, t.Name)
		}
	}
	return strings.Join(names, ",")
}
