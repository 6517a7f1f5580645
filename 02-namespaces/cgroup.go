//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	group "containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

var (
	unshareCgroup = can("unshare cgroup", func([]string) (any, error) { return nil, namespace.UnshareCgroup() })
	catCgroup     = can("cat /proc/PID/cgroup", func(a []string) (any, error) { return cgroupOf(a[0]) })
)

// cgroupOf is /proc/PID/cgroup: a line "number:controllers:path" for each hierarchy; on cgroup v2 just one, "0::path".
func cgroupOf(pid string) (string, error) {
	raw, err := os.ReadFile("/proc/" + pid + "/cgroup")
	return string(raw), err
}

func cgroup(n *narrate.Narrator) error {
	n.Question("A process can read in which cgroup it is. Must it know where that is on the host?")
	g, err := group.New("view", group.Resources{Pids: 64})
	var no *group.Unavailable
	switch {
	case errors.As(err, &no):
		n.Note("no cgroup of its own, because %s; the one that this process is in will do", no.Reason)
	case err != nil:
		return err
	default:
		defer g.Remove()
		defer stage.OnInterrupt(func() { _ = g.Remove() })()
	}
	spec := asNeeded(n, namespace.Cgroup)
	spec.New &^= namespace.Cgroup // not at birth: first into the cgroup, then the namespace
	inside, err := newAgentIn(g, spec)
	if err != nil {
		return err
	}
	defer inside.close()
	neighbour, err := newAgentIn(g, namespace.Spec{})
	if err != nil {
		return err
	}
	defer neighbour.close()
	var before, after string
	if err := neighbour.ask(&before, catCgroup, "self"); err != nil {
		return err
	}
	if paths(before) == "/" {
		n.Skip("this process is in the root of every cgroup hierarchy and may not make one, so there is nothing to hide; "+
			"to run it: systemd-run --user --scope -p Delegate=yes, or as root: go run -exec sudo ./02-namespaces cgroup", true)
		return nil
	}
	n.OldBefore("a process in that cgroup reads the host's path of it: "+paths(before), nil)

	n.Do(narrate.Call{Text: "make the cgroup that it is in the root of what it sees",
		Go: "namespace.UnshareCgroup()", OldSys: "unshare(CLONE_NEWCGROUP)",
		Man: "cgroup_namespaces(7)", Hand: "unshare --cgroup cat /proc/self/cgroup", At: namespace.UnshareCgroup})
	if !n.Without {
		if err := inside.ask(nil, unshareCgroup); err != nil {
			return err
		}
	}
	if err := differ(n, "cgroup", os.Getpid(), inside.PID); err != nil {
		return err
	}
	if err := inside.ask(&after, catCgroup, "self"); err != nil {
		return err
	}
	outside, err := cgroupOf(strconv.Itoa(inside.PID))
	if err != nil {
		return err
	}
	n.OldEvidence(fmt.Sprintf("/proc/%d/cgroup, read from outside", inside.PID), paths(outside))
	n.OldEvidence("/proc/self/cgroup, read inside", paths(after))
	n.OldProof("inside, /proc/self/cgroup says /", paths(after) == "/" && paths(outside) == paths(before), paths(after), paths(before))
	var up string
	if err := inside.ask(&up, catCgroup, strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	n.OldEvidence("the cgroup of this process, read inside: a way up, with no names", paths(up))
	n.ByHand(
		"cat /proc/self/cgroup",
		"unshare --user --map-root-user --cgroup cat /proc/self/cgroup",
	)
	if g != nil {
		n.Clean("the cgroup is removed")
	}
	return nil
}

// paths lists the different paths in a /proc/PID/cgroup.
func paths(text string) string {
	var list []string
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		_, path, _ := strings.Cut(rest, ":")
		if !seen[path] {
			seen[path] = true
			list = append(list, path)
		}
	}
	return strings.Join(list, " ")
}
