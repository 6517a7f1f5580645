//go:build linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/narrate"
)

// asNeeded is namespace.AsNeeded, and says so when it takes a user namespace.
func asNeeded(n *narrate.Narrator, s namespace.Set) namespace.Spec {
	spec := namespace.AsNeeded(s)
	if spec.New&namespace.User != s&namespace.User {
		n.Note("you are not root: a user namespace comes first, and in it you have the right to make the others")
	}
	return spec
}

// differ proves from outside that two processes are in different namespaces of a kind.
func differ(n *narrate.Narrator, name string, outside, inside int) error {
	a, err := procfs.Of(outside)
	if err != nil {
		return err
	}
	b, err := procfs.Of(inside)
	if err != nil {
		return err
	}
	in, out := procfs.Link(name, b[name]), procfs.Link(name, a[name])
	n.Proof(fmt.Sprintf("The process is in a new %s namespace", longNames[name]), in != out,
		narrate.Compare("/proc/PID/ns/"+name, in, "host", out))
	n.Detail(narrate.Show("PID", inside), narrate.Show("PID on the host", outside))
	return nil
}

// longNames are what the man pages call the namespaces of /proc/PID/ns.
var longNames = map[string]string{"cgroup": "cgroup", "ipc": "IPC", "mnt": "mount", "net": "network",
	"pid": "PID", "time": "time", "user": "user", "uts": "UTS"}

// supported reports whether the kernel has a kind of namespace, and skips the step if not.
func supported(n *narrate.Narrator, name, fix string) bool {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/"+name, &st) == nil {
		return true
	}
	n.Skip(fmt.Sprintf("this kernel has no %s namespaces; to run it: %s", name, fix), true)
	return false
}
