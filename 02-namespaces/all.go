//go:build linux

package main

import (
	"fmt"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/narrate"
)

func all(n *narrate.Narrator) error {
	n.Question("What is a container to the kernel?")
	n.Idea("The kernel has no object called a container. It has processes, and each process is in " +
		"one namespace of each of eight kinds.")
	if !supported(n, "time", "Linux 5.6 or later with CONFIG_TIME_NS (WSL's kernel lacks it)") {
		return nil
	}
	list, err := procfs.List()
	if err != nil {
		return err
	}
	ours, err := procfs.Of(0)
	if err != nil {
		return err
	}
	neighbor, err := newAgent(namespace.Spec{})
	if err != nil {
		return err
	}
	defer neighbor.close()
	same, err := procfs.Of(neighbor.PID)
	if err != nil {
		return err
	}
	control := others(same, ours)
	n.Control("A process without new namespaces",
		narrate.Show("new namespaces", ofEight(control)),
		narrate.Show("/proc/*/ns", count(len(list), "namespace", "namespaces"), "those that you can see"))
	n.Do(narrate.Call{
		Text: "Create six namespaces with PID 1 and two from inside, then start the command",
		Sys: [][2]string{{"clone(CLONE_NEWUSER|CLONE_NEWPID|…)", "PID 1, in six new namespaces"},
			{`mount("proc", "/proc", "proc")`, ""},
			{"unshare(CLONE_NEWCGROUP)", "after joining its cgroup"},
			{"unshare(CLONE_NEWTIME)", "for future children"}, {"clone()", "the command"}},
		Go: "namespace.Container().Apply(cmd); inside: namespace.UnshareCgroup(), " +
			"namespace.UnshareUptime()",
		Man: "namespaces(7)", At: namespace.Container,
		Hand: "unshare --user --map-root-user --pid --mount --uts --ipc --net --cgroup --time " +
			"--fork --mount-proc sh",
		Without: "Start the command without new namespaces",
	})
	one, err := startWhole(n.Without)
	if err != nil {
		return err
	}
	defer one.close()
	if err := proveEight(n, one, ours, control); err != nil {
		return err
	}
	n.Why("docker run creates six of them: no time namespace, and no user namespace unless " +
		"dockerd --userns-remap asks for one.")
	n.ByHand(
		"unshare --user --map-root-user --pid --mount --uts --ipc --net --cgroup --time --fork --mount-proc lsns --output TYPE,NPROCS,PID,COMMAND",
	)
	return nil
}

// startWhole starts PID 1 of a container.
func startWhole(without bool) (*agent, error) {
	if without {
		return newAgent(namespace.Spec{})
	}
	one, err := newAgent(namespace.Container())
	if err != nil {
		return nil, err
	}
	for _, name := range []string{newProc, unshareCgroup, unshareUptime} {
		if err := one.ask(nil, name); err != nil {
			one.close()
			return nil, err
		}
	}
	return one, nil
}

// proveEight proves that a command started by PID 1 is in a new namespace of each kind.
func proveEight(n *narrate.Narrator, one *agent, ours map[string]uint64, control []string) error {
	command, err := one.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	// command.PID is the PID that PID 1 sees. On the host it is another one.
	pid, err := procfs.Find(one.PID, command.PID)
	if err != nil {
		return err
	}
	theirs, err := procfs.Of(pid)
	if err != nil {
		return err
	}
	list, err := procfs.List()
	if err != nil {
		return err
	}
	got := others(theirs, ours)
	rows := []narrate.Row{narrate.Compare("new namespaces", ofEight(got), "without", ofEight(control))}
	for _, r := range list {
		if r.Inode == theirs[r.Type] && r.Inode != ours[r.Type] {
			rows = append(rows, narrate.Show("/proc/PID/ns/"+r.Type, procfs.Link(r.Type, r.Inode),
				count(r.Processes, "process", "processes")))
			n.Detail(narrate.Show("PID in "+r.Type, r.PID, r.Command))
		}
	}
	n.Proof("The command is in a new namespace of every kind",
		len(got) == 8 && len(rows) == 9, rows...)
	pid1, child, err := nsLinks("time", pid, one.PID)
	if err != nil {
		return err
	}
	n.Proof("PID 1 is not in the new time namespace", pid1 != child,
		narrate.Compare("/proc/PID/ns/time", pid1, "command", child))
	return nil
}

// ofEight returns how many of the eight kinds these are.
func ofEight(kinds []string) string {
	return fmt.Sprintf("%d of %d", len(kinds), len(namespace.Types()))
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
