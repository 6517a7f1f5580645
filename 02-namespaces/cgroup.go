//go:build linux

package main

import (
	"errors"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	group "containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

var (
	unshareCgroup = canDo("unshare cgroup", namespace.UnshareCgroup)
	catCgroup     = can("cat cgroup", func(a []string) (any, error) { return cgroupOf(a[0]) })
)

// cgroupOf reads /proc/PID/cgroup: a line "number:controllers:path" for each hierarchy. Cgroup v2
// is one hierarchy, "0::path". (cgroups(7))
func cgroupOf(pid string) (string, error) {
	raw, err := os.ReadFile("/proc/" + pid + "/cgroup")
	return string(raw), err
}

func cgroup(n *narrate.Narrator) error {
	n.Question("What does a container see in /proc/self/cgroup?")
	n.Idea("The file shows the path of a process's cgroup, such as /docker/3f1c…: it gives away " +
		"which engine started the container. In a cgroup namespace, paths begin at the cgroup in " +
		"which its creator was.")
	g, remove, err := newCgroup(n)
	if err != nil {
		return err
	}
	defer remove()
	spec := namespace.AsNeeded(namespace.Cgroup)
	first := spec
	first.New &^= namespace.Cgroup // it joins the cgroup first, and then creates the namespace
	inside, err := newAgentIn(g, first)
	if err != nil {
		return err
	}
	defer inside.close()
	neighbor, err := newAgentIn(g, namespace.Spec{})
	if err != nil {
		return err
	}
	defer neighbor.close()
	var before string
	if err := neighbor.ask(&before, catCgroup, "self"); err != nil {
		return err
	}
	if len(deep(before)) == 0 {
		n.Skip("this process is in the root cgroup of every hierarchy and can't create another one, so "+
			"no path has to be hidden; to run it: systemd-run --user --scope -p Delegate=yes "+
			"go run ./02-namespaces cgroup, or as root: go run -exec sudo ./02-namespaces cgroup", true)
		return nil
	}
	n.Control("A process in a cgroup, without its own cgroup namespace",
		narrate.Show("/proc/self/cgroup", brief(before)))

	n.Do(narrate.Call{
		Text: "Create a cgroup namespace from inside the same cgroup",
		Sys: userFirst(spec, namespace.Cgroup,
			[2]string{"unshare(CLONE_NEWCGROUP)", "its cgroup becomes /"}),
		Go:  "namespace.UnshareCgroup()",
		Man: "cgroup_namespaces(7)", Hand: "unshare --cgroup cat /proc/self/cgroup",
		At: namespace.UnshareCgroup, Without: "Create no cgroup namespace",
	})
	if !n.Without {
		if err := inside.ask(nil, unshareCgroup); err != nil {
			return err
		}
	}
	if err := differ(n, "cgroup", os.Getpid(), inside.PID); err != nil {
		return err
	}
	if err := rootedView(n, inside, neighbor); err != nil {
		return err
	}
	n.Why("docker run --cgroupns=private, the default on cgroup v2, hides the host's cgroup paths " +
		"like this.")
	n.WithDocker("docker run --cgroupns=private …",
		"cat /proc/self/cgroup",
		"unshare --user --map-root-user --cgroup cat /proc/self/cgroup",
	)
	return nil
}

// newCgroup creates a cgroup. If it is not allowed to, it says so and returns nil.
func newCgroup(n *narrate.Narrator) (g *group.Group, remove func(), err error) {
	g, err = group.New("view", group.Resources{Pids: 64})
	var no *group.Unavailable
	if errors.As(err, &no) {
		n.Note("No new cgroup for this step: %s", no.Reason)
		return nil, func() {}, nil
	} else if err != nil {
		return nil, nil, err
	}
	stop := stage.OnInterrupt(func() { _ = g.Remove() })
	return g, func() { stop(); _ = g.Remove() }, nil
}

// rootedView proves that a process in a cgroup namespace sees its own cgroup as the root. neighbor is
// in the same cgroup, and in the host's cgroup namespace.
func rootedView(n *narrate.Narrator, inside, neighbor *agent) error {
	var before, after, up string
	if err := neighbor.ask(&before, catCgroup, "self"); err != nil {
		return err
	}
	if err := inside.ask(&after, catCgroup, "self"); err != nil {
		return err
	}
	host, err := cgroupOf(strconv.Itoa(inside.PID))
	if err != nil {
		return err
	}
	if err := inside.ask(&up, catCgroup, strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	n.Detail(narrate.Show("/proc/self/cgroup", after, "inside"),
		narrate.Show("/proc/PID/cgroup", host, "the same, on the host"))
	n.Proof("A process sees its own cgroup as the root",
		len(deep(after)) == 0 && slices.Equal(deep(host), deep(before)),
		narrate.Compare("/proc/self/cgroup", brief(after), "without", brief(before)),
		narrate.Show("/proc/PID/cgroup", brief(host), "the same, on the host"),
		narrate.Show("its parent's cgroup", brief(up), "as it sees it"))
	return nil
}

// deep lists the paths in a /proc/PID/cgroup that are below the root of their hierarchy.
func deep(text string) (paths []string) {
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		_, path, _ := strings.Cut(rest, ":")
		if path != "/" && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// brief shortens a /proc/PID/cgroup to the end of one path: of our own cgroup, if there is one.
func brief(text string) string {
	paths := deep(text)
	if len(paths) == 0 {
		return "/"
	}
	ours := max(0, slices.IndexFunc(paths, func(p string) bool {
		return strings.Contains(p, "/containerkit/")
	}))
	parent, name := path.Split(paths[ours])
	parent = path.Base(parent)
	switch {
	case parent == "/" || parent == "..":
		return paths[ours]
	case len(name) > 32:
		return "…/" + name[:12] + "…"
	case len(parent)+len(name) > 27:
		return "…/" + name
	}
	return "…/" + parent + "/" + name
}
