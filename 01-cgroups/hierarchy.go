//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/narrate"
)

// hierarchy: a cgroup is a directory.
func hierarchy(n *narrate.Narrator) error {
	n.Question("What is a cgroup, and how does a process get into one?")
	h, err := find(n)
	if h == nil {
		return err
	}
	n.Note("this machine has %s; groups are made in %s; controllers here: %s", describe(h), h.Parents[anyOf(h)], strings.Join(h.Controllers(), " "))
	mine, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	n.OldBefore("we are in these groups already, as every process is", narrate.Data{"/proc/self/cgroup": strings.Fields(string(mine))})

	n.Do(narrate.Call{
		Text:   "make a directory: the kernel fills it with files",
		Go:     `cgroup.New("hierarchy", cgroup.Resources{})`,
		OldSys: fmt.Sprintf(`mkdir("%s/containerkit/hierarchy-…", 0711)`, h.Parents[anyOf(h)]),
		Man:    "cgroups(7), mkdir(2)",
		Hand:   "mkdir containerkit-byhand; ls containerkit-byhand",
		At:     cgroup.New,
	})
	g, done, err := open(n, h, "hierarchy", cgroup.Resources{})
	if g == nil {
		return err
	}
	defer done()
	files, err := filepath.Glob(g.Path("freezer") + "/*")
	if err != nil {
		return err
	}
	n.OldEvidence(fmt.Sprintf("files in %s, none of them made by us", g.Path("freezer")), len(files))

	n.Do(narrate.Call{
		Text:   "start a child in the group: it is born there, so it never runs outside",
		Go:     "g.Prepare(cmd); cmd.Start()",
		OldSys: joinCall(h.Version),
		Man:    "clone(2), CLONE_INTO_CGROUP; cgroups(7)",
		Hand:   "sh -c 'echo $$ > containerkit-byhand/cgroup.procs; exec sleep 1'",
		At:     (*cgroup.Group).Prepare,
	})
	outside, err := start(nil, resident)
	if err != nil {
		return err
	}
	defer outside.Close()
	home := g
	if n.Without {
		home = nil // the feature left out: born where its parent is
	}
	inside, err := start(home, resident)
	if err != nil {
		return err
	}
	defer inside.Close()

	saysInside, err := ask(inside)
	if err != nil {
		return err
	}
	saysOutside, err := ask(outside)
	if err != nil {
		return err
	}
	seen, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", inside.Process.Pid))
	if err != nil {
		return err
	}
	members, err := g.Procs()
	if err != nil {
		return err
	}
	n.OldEvidence(fmt.Sprintf("/proc/%d/cgroup, from outside", inside.Process.Pid), lines(string(seen), g.Name))
	n.OldEvidence("/proc/self/cgroup, read by the child itself", lines(saysInside, g.Name))
	n.OldEvidence(g.File("cgroup.procs"), members)
	n.OldProof("a child born in the group is listed in its cgroup.procs, and one born outside is not",
		slices.Equal(members, []int{inside.Process.Pid}),
		slices.Contains(members, inside.Process.Pid), slices.Contains(members, outside.Process.Pid))
	n.OldProof("/proc/PID/cgroup names the group, from outside and from inside; a child born outside reads its parent's",
		strings.Contains(saysInside, "/"+g.Name) && saysInside == string(seen),
		lines(saysInside, g.Name), lines(saysOutside, g.Name))

	if h.Version == cgroup.V2 {
		err = handedDown(n, h)
	} else {
		err = oneTreeEach(n, g, saysInside, saysOutside)
	}
	if err != nil {
		return err
	}
	dir := filepath.Join(h.Own, cgroup.ByHand)
	if h.Version == cgroup.V2 {
		dir = filepath.Join(h.Root, cgroup.ByHand)
	}
	byHand(n, h, "", dir, "rmdir "+dir,
		"ls "+dir,
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && cat /proc/self/cgroup'",
	)
	n.Note("read on: Documentation/admin-guide/cgroup-v2.rst, \"Organizing Processes and Threads\"; the exercise in this directory's README.md")
	return nil
}

// handedDown shows v2's two rules on one group with another below it: a child has the controllers that its parent
// hands down, and who hands down may not have processes itself.
func handedDown(n *narrate.Narrator, h *cgroup.Hierarchy) error {
	if !h.Has("memory") {
		n.Skip("the memory controller is not handed down to "+h.Root+", so there is none to hand on; to run it: the same step as root", false)
		return nil
	}
	parent, done, err := open(n, h, "parent", cgroup.Resources{Count: []string{"memory"}})
	if parent == nil {
		return err
	}
	defer done()
	below, err := parent.Below("child")
	if err != nil {
		return err
	}
	show(n, parent, "cgroup.controllers", "cgroup.subtree_control")
	before, err := below.Get("cgroup.controllers")
	if err != nil {
		return err
	}
	n.Do(narrate.Call{
		Text:   "hand the memory controller down from a group to the one below it",
		Go:     `g.HandDown("memory")`,
		OldSys: fmt.Sprintf(`write("%s", "+memory")`, parent.File("cgroup.subtree_control")),
		Man:    "cgroups(7), \"Managing controllers\"",
		Hand:   "echo +memory > cgroup.subtree_control",
		At:     (*cgroup.Group).HandDown,
	})
	var empty error
	if !n.Without {
		if empty = parent.HandDown("memory"); empty != nil {
			return empty
		}
	}
	after, err := below.Get("cgroup.controllers")
	if err != nil {
		return err
	}
	show(n, parent, "cgroup.subtree_control")
	n.OldEvidence(below.File("cgroup.controllers"), fmt.Sprintf("%q, and before: %q", after, before))
	n.OldProof("a group has the controllers that its parent hands down (the control is its list before)",
		after == "memory", "["+after+"]", "["+before+"]")

	p, err := start(below, resident)
	if err != nil {
		return err
	}
	defer p.Close()
	err = below.HandDown("memory")
	n.OldEvidence("the same write to the group below, in which a process lives", err)
	if n.Without {
		return nil
	}
	n.Note("the rule is for controllers of whole processes (memory, io); those that can tell threads apart (cpu, cpuset, pids) the kernel lets through")
	n.OldProof("no internal processes: who has processes may not hand down (EBUSY); the control is the empty group above",
		errors.Is(err, syscall.EBUSY), word(errnoOf(err)), word(errnoOf(empty)))
	return nil
}

// oneTreeEach shows what differs on v1: every controller is a tree of its own, and a process has a place in each.
func oneTreeEach(n *narrate.Narrator, g *cgroup.Group, inside, outside string) error {
	moved := len(lines(inside, g.Name))
	total := strings.Count(inside, "\n")
	n.OldProof(fmt.Sprintf("v1: each controller is a tree of its own; the child moved in one of %d and stayed in the others", total),
		moved == 1, moved, len(lines(outside, g.Name)))
	n.Note("v1 has no subtree_control: a controller is there all the way down its own tree, and rules for processes in inner groups do not exist. v2 has one tree for all, and hands controllers down")
	return nil
}

// lines are the lines that contain a text.
func lines(text, with string) []string {
	list := []string{}
	for l := range strings.Lines(text) {
		if strings.Contains(l, with) {
			list = append(list, strings.TrimSpace(l))
		}
	}
	return list
}

func describe(h *cgroup.Hierarchy) string {
	if h.Hybrid {
		return h.Version.String() + " (hybrid: an empty v2 tree stands beside it)"
	}
	return h.Version.String()
}

// anyOf is a controller to ask for a place with: the freezer on v1, which is always there.
func anyOf(h *cgroup.Hierarchy) string {
	if h.Version == cgroup.V1 || len(h.Controllers()) == 0 {
		return "freezer"
	}
	return h.Controllers()[0]
}

func joinCall(v cgroup.Version) string {
	if v == cgroup.V2 {
		return "clone3({flags: CLONE_INTO_CGROUP, cgroup: fd of the directory})"
	}
	return `in the child, before exec: write("…/tasks", "0")`
}
