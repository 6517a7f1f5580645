//go:build linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/narrate"
)

// userFirst returns the calls of a step. If namespace.AsNeeded added a user namespace to the kinds
// asked for, clone(2) of that namespace comes first.
func userFirst(spec namespace.Spec, asked namespace.Set, calls ...[2]string) [][2]string {
	if spec.New&namespace.User == asked&namespace.User {
		return calls
	}
	first := [2]string{"clone(CLONE_NEWUSER)", "gives you CAP_SYS_ADMIN"}
	return append([][2]string{first}, calls...)
}

// only returns the Spec for s, or an empty one if the step runs without its feature.
func only(without bool, s namespace.Set) namespace.Spec {
	if without {
		return namespace.Spec{}
	}
	return namespace.Spec{New: s}
}

// differ proves that a process is in another namespace of a kind than a process on the host.
func differ(n *narrate.Narrator, name string, outside, inside int) error {
	in, out, err := nsLinks(name, outside, inside)
	if err != nil {
		return err
	}
	n.Proof(fmt.Sprintf("The process is in a new %s namespace", longNames[name]), in != out,
		narrate.Compare("/proc/PID/ns/"+name, in, "host", out))
	n.Detail(narrate.Show("PID", inside), narrate.Show("PID on the host", outside))
	return nil
}

// nsLinks returns the namespaces of a kind in which two processes are.
func nsLinks(name string, outside, inside int) (in, out string, err error) {
	a, err := procfs.Of(outside)
	if err != nil {
		return "", "", err
	}
	b, err := procfs.Of(inside)
	return procfs.Link(name, b[name]), procfs.Link(name, a[name]), err
}

// longNames are the names in the man pages of the namespaces of /proc/PID/ns.
var longNames = map[string]string{"cgroup": "cgroup", "ipc": "IPC", "mnt": "mount",
	"net": "network", "pid": "PID", "time": "time", "user": "user", "uts": "UTS"}

// supported reports whether the kernel has a kind of namespace, and skips the step if not.
func supported(n *narrate.Narrator, name, fix string) bool {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/"+name, &st) == nil {
		return true
	}
	n.Skip(fmt.Sprintf("this kernel has no %s namespaces; to run it: %s", name, fix), true)
	return false
}

// count returns a number and its noun in singular or plural: "1 process", "2 processes".
func count(number int, singular, plural string) string {
	if number == 1 {
		return "1 " + singular
	}
	return fmt.Sprintf("%d %s", number, plural)
}
