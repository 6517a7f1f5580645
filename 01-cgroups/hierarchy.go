//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

func hierarchy(n *narrate.Narrator) error {
	n.Question("What is a cgroup, and how does a process get into one?")
	n.Idea("A cgroup is a directory that the kernel fills with files. A child starts in its " +
		"parent's cgroup, unless it is created in another one.")
	h, err := find(n)
	if h == nil {
		return err
	}
	mine, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	n.Control("Without joining: every process is in a cgroup already, like this program",
		narrate.Show("/proc/self/cgroup", short(pathIn(h.Version, string(mine)))))
	n.Detail(narrate.Show("version", describe(h)),
		narrate.Show("cgroups created in", h.Parents[anyOf(h)]),
		narrate.Show("controllers", strings.Join(h.Controllers(), " ")),
		narrate.Show("/proc/self/cgroup", string(mine)))

	join := [2]string{"clone3(CLONE_INTO_CGROUP)", "the child starts in the cgroup"}
	if h.Version == cgroup.V1 {
		join = [2]string{`write("…/tasks", "0")`, "the child joins before it execs"}
	}
	n.Do(narrate.Call{
		Text:    "Create a cgroup, and start a child in it",
		Sys:     [][2]string{{`mkdirat(…, "demo", 0711)`, "the kernel fills it with files"}, join},
		Go:      `g, err := cgroup.New("demo", …); g.Prepare(cmd); cmd.Start()`,
		Man:     "cgroups(7), mkdir(2), clone(2)",
		Hand:    "mkdir demo; sh -c 'echo $$ > demo/cgroup.procs; exec sleep 1'",
		At:      (*cgroup.Group).Prepare,
		Without: "Create a cgroup, but start the child in its parent's cgroup",
	})
	g, done, err := open(n, h, "demo", cgroup.Resources{})
	if g == nil {
		return err
	}
	defer done()
	if err := membership(n, g); err != nil {
		return err
	}
	if h.Version == cgroup.V2 {
		if err := enabling(n, h); err != nil {
			return err
		}
	}
	n.Why("docker run creates a cgroup for each container; --cgroup-parent says where.")
	dir := filepath.Join(either(h.Version, h.Own, h.Root), cgroup.ByHand)
	byHand(n, h, "docker run --cgroup-parent …", "", dir, "rmdir "+dir,
		"ls "+dir,
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && cat /proc/self/cgroup'")
	return nil
}

// membership compares a child in the cgroup with one that started where its parent is.
func membership(n *narrate.Narrator, g *cgroup.Group) error {
	outside, err := start(nil, resident)
	if err != nil {
		return err
	}
	defer outside.Close()
	home := g
	if n.Without {
		home = nil
	}
	inside, err := start(home, resident)
	if err != nil {
		return err
	}
	defer inside.Close()

	saysInside, err1 := ask(inside)
	saysOutside, err2 := ask(outside)
	seen, err3 := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", inside.Process.Pid))
	members, err4 := g.Procs()
	files, err5 := filepath.Glob(g.Path("freezer") + "/*")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	n.Evidence(narrate.Show("files in the cgroup", len(files), "all created by the kernel"))
	show(n, g, "cgroup.procs")
	n.Detail(narrate.Show("PID of the child", inside.Process.Pid))
	listed := func(p *child.Process) string {
		if slices.Contains(members, p.Process.Pid) {
			return "lists the child"
		}
		return "does not list it"
	}
	n.Proof("A child created in a cgroup is listed in its cgroup.procs",
		slices.Equal(members, []int{inside.Process.Pid}),
		narrate.Compare("…/cgroup.procs", listed(inside), "without joining", listed(outside)))
	path := func(text string) string { return short(pathIn(g.Version, text)) }
	n.Proof("/proc/PID/cgroup names the cgroup of a process",
		strings.Contains(saysInside, "/"+g.Name) && saysInside == string(seen),
		narrate.Compare("/proc/PID/cgroup", path(string(seen)), "without joining", path(saysOutside)),
		narrate.Show("/proc/self/cgroup", path(saysInside), "read by the child"))
	if g.Version == cgroup.V1 {
		eachItsOwn(n, g, saysInside, saysOutside)
	}
	return nil
}

// eachItsOwn shows a property of v1: every controller has its own hierarchy, and a process a place
// in each of them.
func eachItsOwn(n *narrate.Narrator, g *cgroup.Group, inside, outside string) {
	joined := func(text string) string {
		return fmt.Sprintf("%d of %d", len(lines(text, g.Name)), strings.Count(text, "\n"))
	}
	n.Proof("On cgroup v1, a process has its own cgroup in each hierarchy",
		len(lines(inside, g.Name)) == 1 && strings.Count(inside, "\n") > 1,
		narrate.Compare("hierarchies joined", joined(inside), "without joining", joined(outside)))
}

// enabling shows two rules of v2: a cgroup has the controllers that its parent enables, and a
// cgroup with processes can't enable them (cgroups(7), "no internal processes").
func enabling(n *narrate.Narrator, h *cgroup.Hierarchy) error {
	if !h.Has("memory") {
		n.Skip("the memory controller is not enabled for "+h.Root+
			"; to run it: go run -exec sudo ./01-cgroups hierarchy", false)
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
	before, err := below.Get("cgroup.controllers")
	if err != nil {
		return err
	}
	n.Do(narrate.Call{
		Text: "Enable the memory controller for the cgroups below a cgroup",
		Sys:  [][2]string{{writeCall(h.Version, "cgroup.subtree_control", "+memory"), ""}},
		Go:   `g.HandDown("memory")`,
		Man:  "cgroups(7)",
		Hand: "echo +memory > cgroup.subtree_control", At: (*cgroup.Group).HandDown,
		Without: "Enable no controller for the cgroups below a cgroup",
	})
	if !n.Without {
		if err := parent.HandDown("memory"); err != nil {
			return err
		}
	}
	after, err := below.Get("cgroup.controllers")
	if err != nil {
		return err
	}
	show(n, parent, "cgroup.controllers", "cgroup.subtree_control")
	n.Proof("A cgroup has the controllers that its parent enables", after == "memory",
		narrate.Compare("cgroup.controllers", cmp.Or(after, "none"), "before", cmp.Or(before, "none")))
	if n.Without {
		return nil
	}
	return noInternalProcesses(n, below)
}

// noInternalProcesses enables a controller from a cgroup in which a process lives. The control is
// the empty cgroup above, in which that has succeeded.
func noInternalProcesses(n *narrate.Narrator, g *cgroup.Group) error {
	p, err := start(g, resident)
	if err != nil {
		return err
	}
	defer p.Close()
	err = g.HandDown("memory")
	n.Detail(narrate.Show("error", fmt.Sprint(err)))
	n.Proof("A cgroup with processes can't enable the memory controller",
		errors.Is(err, syscall.EBUSY),
		narrate.Compare("subtree_control", answer(errnoOf(err)), "empty cgroup", answer(0)))
	n.Note(`The "no internal processes" rule holds for memory and io, not for pids.`)
	return nil
}

// describe returns the version of cgroups, in words.
func describe(h *cgroup.Hierarchy) string {
	if h.Hybrid {
		return h.Version.String() + " (hybrid: there is an empty v2 hierarchy too)"
	}
	return h.Version.String()
}

// anyOf returns a controller to ask for a place with: on v1 the freezer, which is always there.
func anyOf(h *cgroup.Hierarchy) string {
	if h.Version == cgroup.V1 || len(h.Controllers()) == 0 {
		return "freezer"
	}
	return h.Controllers()[0]
}

// pathIn returns the cgroup's path from the text of /proc/PID/cgroup; on v1 the one in the
// freezer's hierarchy (cgroups(7)).
func pathIn(v cgroup.Version, text string) string {
	for _, line := range lines(text, either(v, "freezer", "0::")) {
		return strings.SplitN(line, ":", 3)[2]
	}
	return "none"
}

// short returns a path with as many of its last names as fit into a column.
func short(path string) string {
	const width = 22
	names := strings.Split(path, "/")
	for len(names) > 2 && len(strings.Join(names, "/")) > width {
		names = names[1:]
		names[0] = "…"
	}
	return strings.Join(names, "/")
}
