//go:build linux

package main

import (
	"fmt"
	"strings"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/narrate"
)

func all(n *narrate.Narrator) error {
	if !supported(n, "time", "Linux 5.6 or later with CONFIG_TIME_NS (WSL's kernel lacks it)") {
		return nil
	}
	n.Question("What does the kernel have of a container?")
	before, err := procfs.List()
	if err != nil {
		return err
	}
	ours, err := procfs.Of(0)
	if err != nil {
		return err
	}
	n.OldBefore("the namespaces that processes are in now, as far as we may look", narrate.Data{"namespaces": len(before)})

	n.Do(narrate.Call{Text: "make six at birth, then cgroup and time from inside, then start the payload",
		Go:     "namespace.Container().Apply(cmd); inside: namespace.UnshareCgroup(), namespace.UnshareUptime()",
		OldSys: "clone(CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWNET), unshare(CLONE_NEWCGROUP), unshare(CLONE_NEWTIME)",
		Man:    "namespaces(7)", Hand: "unshare --user --map-root-user --pid --mount --uts --ipc --net --cgroup --time --fork --mount-proc sh", At: namespace.Container})
	spec := namespace.Container()
	if n.Without {
		spec = namespace.Spec{}
	}
	one, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer one.close()
	if !n.Without {
		for _, name := range []string{newProc, unshareCgroup, unshareUptime} {
			if err := one.ask(nil, name); err != nil {
				return err
			}
		}
	}
	payload, err := one.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	// Its number is the one that number 1 sees; ours is another.
	pid, err := procfs.Find(one.PID, payload.PID)
	if err != nil {
		return err
	}
	theirs, err := procfs.Of(pid)
	if err != nil {
		return err
	}
	neighbour, err := newAgent(namespace.Spec{})
	if err != nil {
		return err
	}
	defer neighbour.close()
	same, err := procfs.Of(neighbour.PID)
	if err != nil {
		return err
	}
	got, control := others(theirs, ours), others(same, ours)

	rows, err := procfs.List()
	if err != nil {
		return err
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-6s %10s %5s %7s %s", "TYPE", "NS", "PROCS", "PID", "COMMAND")
	listed := 0
	for _, r := range rows {
		if r.Inode != theirs[r.Type] || r.Inode == ours[r.Type] {
			continue
		}
		listed++
		fmt.Fprintf(&table, "\n%-6s %10d %5d %7d %s", r.Type, r.Inode, r.Processes, r.PID, r.Command)
	}
	n.OldEvidence("what lsns would show of it, from /proc/*/ns", table.String())
	n.OldProof("a process can have all eight namespaces to itself", len(got) == 8 && listed == 8,
		fmt.Sprintf("%d of its own: %s", len(got), strings.Join(got, " ")), fmt.Sprintf("%d of its own", len(control)))
	n.Note("number 1 is not in the time namespace: its children are. The kernel has no object called a container; this list is all there is")
	n.ByHand(
		"unshare --user --map-root-user --pid --mount --uts --ipc --net --cgroup --time --fork --mount-proc lsns --output TYPE,NPROCS,PID,COMMAND",
	)
	n.Clean("process " + fmt.Sprint(one.PID) + " ends, and with it all eight")
	return nil
}

// others lists the kinds in which a differs from b.
func others(a, b map[string]uint64) (names []string) {
	for _, t := range namespace.Types() {
		if a[t.Name] != b[t.Name] {
			names = append(names, t.Name)
		}
	}
	return names
}
