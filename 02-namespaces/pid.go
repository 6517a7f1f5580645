//go:build linux

package main

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/narrate"
)

var (
	getpid = can("getpid", func([]string) (any, error) { return os.Getpid(), nil })
	// The PID in the /proc that is mounted here. It can differ from getpid(2).
	procSelf = can("proc self", func([]string) (any, error) { return os.Readlink("/proc/self") })
	ps       = can("ps", func([]string) (any, error) { return procfs.Processes() })
	newProc  = canDo("mount /proc", func() error {
		if err := namespace.MakePrivate(); err != nil {
			return err
		}
		return namespace.MountProc("/proc")
	})
)

func pid(n *narrate.Narrator) error {
	n.Question("Why does ps show PID 1 in a container, and another PID on the host?")
	n.Idea("A process has a PID in its own PID namespace and one in each namespace above, up to the " +
		"host's. ps reads /proc, and a /proc shows the PID namespace of the process that mounted it.")
	before, err := procfs.Processes()
	if err != nil {
		return err
	}
	ours, err := procfs.Status(0, "NSpid")
	if err != nil {
		return err
	}
	n.Control("A process without its own PID namespace",
		narrate.Show("NSpid", spaced(ours), "its PIDs, from /proc/PID/status"),
		narrate.Show("processes in /proc", len(before)))

	set := namespace.PID | namespace.Mount
	spec := namespace.AsNeeded(set)
	n.Do(narrate.Call{
		Text: "Start a process in new PID and mount namespaces",
		Sys:  userFirst(spec, set, [2]string{"clone(CLONE_NEWPID|CLONE_NEWNS)", ""}),
		Go:   "namespace.Spec{New: namespace.PID | namespace.Mount}.Apply(cmd)",
		Man:  "pid_namespaces(7)", Hand: "unshare --pid --fork --mount-proc sh",
		At: namespace.Spec.Apply, Without: "Start a process in a new mount namespace only",
	})
	if n.Without {
		spec = namespace.AsNeeded(namespace.Mount)
	}
	one, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer one.close()
	if err := twoPIDs(n, one, ours); err != nil {
		return err
	}
	if err := mountProc(n, one); err != nil {
		return err
	}
	n.Why("docker top shows the host's PIDs of a container's processes, docker exec ps shows the " +
		"container's; --pid=host makes them equal.")
	n.WithDocker("docker run --rm alpine ps",
		"unshare --user --map-root-user --pid --fork sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l'",
		"unshare --user --map-root-user --pid --fork --mount-proc sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l'",
	)
	return nil
}

// twoPIDs proves that a process in a new PID namespace is PID 1 there. ours is our own NSpid.
func twoPIDs(n *narrate.Narrator, one *agent, ours string) error {
	if err := differ(n, "pid", os.Getpid(), one.PID); err != nil {
		return err
	}
	pids, err := procfs.Status(one.PID, "NSpid")
	if err != nil {
		return err
	}
	var inside int
	if err := one.ask(&inside, getpid); err != nil {
		return err
	}
	added := len(strings.Fields(pids)) == len(strings.Fields(ours))+1
	n.Proof("The process has one PID inside and another one on the host", added && inside == 1,
		narrate.Compare("NSpid", spaced(pids), "host", spaced(ours)),
		narrate.Compare("getpid()", inside, "host", os.Getpid()))
	return nil
}

// mountProc shows that ps sees the host's processes until /proc is mounted again.
func mountProc(n *narrate.Narrator, one *agent) error {
	old, err := procOf(one)
	if err != nil {
		return err
	}
	n.Do(narrate.Call{
		Text: "Mount a new /proc from inside",
		Sys: [][2]string{{`mount("", "/", MS_REC|MS_PRIVATE)`, "so that the host doesn't see it"},
			{`mount("proc", "/proc", "proc")`, ""}},
		Go:  `namespace.MakePrivate(); namespace.MountProc("/proc")`,
		Man: "proc(5), mount_namespaces(7)", At: namespace.MountProc,
		Hand: "mount --make-rprivate / && mount -t proc proc /proc",
	})
	// In the host's PID namespace, the kernel allows this mount only to root on the host.
	if err := one.ask(nil, newProc); err != nil && !n.Without {
		return err
	}
	now, err := procOf(one)
	if err != nil {
		return err
	}
	n.Proof("A new /proc shows only the processes of its PID namespace",
		slices.Equal(now.pids, []int{1}),
		narrate.Compare("processes in /proc", len(now.pids), "old /proc", len(old.pids)),
		narrate.Compare("/proc/self", now.self, "old /proc", old.self))
	return nil
}

// A procView is what a process sees in its /proc: all PIDs, and its own.
type procView struct {
	pids []int
	self string
}

func procOf(a *agent) (v procView, err error) {
	if err := a.ask(&v.pids, ps); err != nil {
		return v, err
	}
	err = a.ask(&v.self, procSelf)
	return v, err
}

// spaced turns the tabs between numbers into spaces.
func spaced(text string) string { return strings.Join(strings.Fields(text), " ") }

// list joins PIDs by commas.
func list(pids []int) string {
	var texts []string
	for _, pid := range pids {
		texts = append(texts, strconv.Itoa(pid))
	}
	return strings.Join(texts, ", ")
}
