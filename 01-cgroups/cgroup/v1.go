//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// names1 are the files of v1 that answer for a file of v2.
var names1 = map[string]string{
	"memory.max":             "memory.limit_in_bytes",
	"memory.current":         "memory.usage_in_bytes",
	"memory.peak":            "memory.max_usage_in_bytes",
	"memory.low":             "memory.soft_limit_in_bytes",
	"memory.swap.max":        "memory.memsw.limit_in_bytes", // memory and swap together
	"memory.events":          "memory.oom_control",
	"cpu.max":                "cpu.cfs_quota_us",
	"cpu.weight":             "cpu.shares",
	"cpuset.cpus.effective":  "cpuset.effective_cpus",
	"io.max":                 "blkio.throttle.write_bps_device",
	"io.stat":                "blkio.throttle.io_service_bytes",
	"cgroup.freeze":          "freezer.state",
	"cgroup.events":          "freezer.state",
	"cgroup.subtree_control": "cgroup.subtree_control", // v1 has none: each tree has its one controller all the way down
}

// local1 translates a file's name, or a controller's (given with a dot at its end), to v1.
func local1(file string) string {
	if name, ok := names1[file]; ok {
		return name
	}
	if rest, ok := strings.CutPrefix(file, "io."); ok {
		return "blkio." + rest
	}
	return file
}

// Local is the name that a file of v2 has in this version.
func (v Version) Local(file string) string {
	if v == V1 {
		return local1(file)
	}
	return file
}

// path is where a file of the group is, under its own name. On v1 the name says in which tree.
func (g *Group) path(file string) (string, error) {
	if g.Version == V2 {
		if file == "cgroup.procs" || file == "cgroup.threads" {
			return g.leaf + "/" + file, nil
		}
		return g.dirs[""] + "/" + file, nil
	}
	controller, _, _ := strings.Cut(file, ".")
	switch {
	case controller == "cgroup" || file == "tasks":
		controller = "freezer" // every tree has these; the freezer's is always there
	case strings.HasSuffix(file, ".pressure"):
		controller = "unified"
	}
	dir, ok := g.dirs[controller]
	if !ok {
		return "", fmt.Errorf("cgroup: %s has no %s controller, so no %s: %w", g.Name, controller, file, os.ErrNotExist)
	}
	return dir + "/" + file, nil
}

// find1 notes, for each controller, the group in which this process is: ours are made below it, so that the limits
// of whoever put us there still hold.
func (h *Hierarchy) find1(trees []tree) error {
	for _, t := range trees {
		if err := writable(t.own); err != nil {
			if !slices.ContainsFunc(t.controllers, isController) {
				continue // hybrid's v2 tree, or systemd's own of v1: no limits are set there
			}
			who, fix := self(), fixRoot
			if who == 0 {
				fix = fixReadOn
			}
			return &Unavailable{fmt.Sprintf("user %d may not make cgroups (v1): %v", who, err), fix}
		}
		if len(t.controllers) == 0 {
			h.Hybrid = true
			h.Parents["unified"] = t.own
		}
		for _, c := range t.controllers {
			h.Parents[c] = t.own
		}
	}
	if h.Parents["freezer"] == "" {
		return &Unavailable{"cgroup v1 without a freezer tree", "mount -t cgroup -o freezer none /sys/fs/cgroup/freezer"}
	}
	h.Own = h.Parents["freezer"]
	return nil
}

// isController reports whether a tree's name is a controller's, and not one that somebody gave it:
// name=systemd.
func isController(c string) bool { return !strings.HasPrefix(c, "name=") }

// make1 makes a directory in the tree of each controller. The freezer comes with every group:
// without it nobody can be sure to kill all of a group that forks. Its directory is the first to
// come and the last to go, and it is the one that is locked.
func (g *Group) make1(r Resources) error {
	names, err := g.h.names1(r)
	if err != nil {
		return err
	}
	if err := g.mkdir("freezer", g.h.Parents["freezer"]); err != nil {
		return err
	}
	if err := g.own(g.dirs["freezer"]); err != nil {
		return err
	}
	if err := g.note(g.h.parents()[1:]); err != nil {
		return err
	}
	for _, c := range names {
		if err := g.mkdir(c, g.h.Parents[c]); err != nil {
			return err
		}
	}
	if dir, ok := g.dirs["cpuset"]; ok {
		if err := placeCpuset(g.h.Parents["cpuset"], dir); err != nil {
			return err
		}
	}
	if r.Everywhere {
		if err := g.shareRest(); err != nil {
			return err
		}
	}
	if dir := g.dirs["unified"]; dir != "" {
		g.born, err = openDirAt(unix.AT_FDCWD, dir, dir)
	}
	return err
}

// names1 lists the trees beside the freezer's in which a group needs a directory.
func (h *Hierarchy) names1(r Resources) (names []string, err error) {
	for _, c := range r.controllers() {
		switch c {
		case "cpu":
			names = append(names, "cpu")
			if slices.Contains(r.Count, "cpu") {
				names = append(names, "cpuacct") // v1 counts CPU time in a controller of its own
			}
		case "io":
			names = append(names, "blkio")
		case "pressure":
			names = append(names, "unified")
		default:
			names = append(names, c)
		}
	}
	for _, c := range names {
		if h.Parents[c] != "" {
			continue
		}
		if c == "unified" {
			return nil, &Unavailable{"cgroup v1 has no pressure files, and no v2 tree is mounted beside it", "boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 none /sys/fs/cgroup/unified"}
		}
		return nil, &Unavailable{"no tree with the " + c + " controller is mounted", fixKernel}
	}
	slices.Sort(names)
	return slices.DeleteFunc(names, func(c string) bool { return c == "freezer" }), nil
}

// placeCpuset fills a new cgroup of the cpuset controller. The place gets CPUs and memory nodes too,
// and hands them to the cgroups that are created after (cpuset.rst, 1.2, cgroup.clone_children).
func placeCpuset(parent, dir string) error {
	in := filepath.Dir(dir)
	return errors.Join(fillCpuset(parent, in), fillCpuset(parent, dir), write(in+"/cgroup.clone_children", "1"))
}

// fillCpuset gives a new cgroup the parent's CPUs and memory nodes: a new cpuset of v1 is empty, and
// no process can join an empty one (ENOSPC).
func fillCpuset(parent, dir string) error {
	for _, file := range []string{"/cpuset.cpus", "/cpuset.mems"} {
		has, err := read(dir + file)
		if err == nil && has == "" {
			var all string
			if all, err = read(parent + file); err == nil {
				err = write(dir+file, all)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// all lists the directories of the group, each once.
func (g *Group) all() []string {
	var dirs []string
	for _, dir := range g.dirs {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return dirs
}

// freeze1 writes FROZEN or THAWED and waits: on the way the kernel says FREEZING, and a process that was forking at
// the wrong moment must be told again.
func freeze1(dir, state string) error {
	err := retry(func() error {
		if err := write(dir+"/freezer.state", state); err != nil {
			return err
		}
		now, err := read(dir + "/freezer.state")
		if err == nil && now != state {
			return errNotYet
		}
		return err
	}, errNotYet, patience)
	if err != nil {
		return fmt.Errorf("cgroup: wait for %s in %s/freezer.state: %w", state, dir, err)
	}
	return nil
}

// kill1 freezes, kills and thaws: v1 has no cgroup.kill. While all stand still nobody can fork, so the list of
// processes is complete; but a frozen process of v1 does not die until it is thawed.
func kill1(dir string) error {
	if pids, err := procs(dir + "/cgroup.procs"); err == nil && len(pids) == 0 && len(children(dir)) == 0 {
		return nil
	}
	frozen := freeze1(dir, "FROZEN")
	killed := killOneByOne(dir)
	thawed := freeze1(dir, "THAWED")
	if err := errors.Join(frozen, killed, thawed); err != nil {
		return err
	}
	return waitEmpty(dir)
}
