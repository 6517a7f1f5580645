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

// names1 maps the files of v2 to the corresponding files of v1.
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
	"cgroup.subtree_control": "cgroup.subtree_control", // v1 has none: a controller has every level
}

// local1 translates the name of a file, or of a controller (given with a dot at its end), to v1.
func local1(file string) string {
	if name, ok := names1[file]; ok {
		return name
	}
	if rest, ok := strings.CutPrefix(file, "io."); ok {
		return "blkio." + rest
	}
	return file
}

// Local returns the name that a file of v2 has in this version.
func (v Version) Local(file string) string {
	if v == V1 {
		return local1(file)
	}
	return file
}

// path returns the path of a file of the cgroup, given by its local name. On v1 the name says in
// which hierarchy the file is.
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
		controller = "freezer" // every hierarchy has these; the freezer's always exists
	case strings.HasSuffix(file, ".pressure"):
		controller = "unified"
	}
	dir, ok := g.dirs[controller]
	if !ok {
		return "", fmt.Errorf("cgroup: %s has no %s controller, so no %s: %w", g.Name, controller, file, os.ErrNotExist)
	}
	return dir + "/" + file, nil
}

// find1 records, for each controller, the cgroup of this process. Ours are created below it, so the
// limits of the process that placed us there still apply.
func (h *Hierarchy) find1(trees []tree) error {
	for _, t := range trees {
		if err := writable(t.own); err != nil {
			if !slices.ContainsFunc(t.controllers, isController) {
				// the v2 hierarchy of hybrid, or systemd's own on v1: we set no limits there
				continue
			}
			who, fix := self(), fixRoot
			if who == 0 {
				fix = fixReadOn
			}
			return &Unavailable{fmt.Sprintf("user %d is not allowed to create cgroups (v1): %v",
				who, err), fix}
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
		return &Unavailable{"no hierarchy with the freezer controller is mounted (v1)",
			"mount -t cgroup -o freezer none /sys/fs/cgroup/freezer"}
	}
	h.Own = h.Parents["freezer"]
	return nil
}

// isController reports whether a name is a controller's, and not one given at mount time, such as
// name=systemd.
func isController(c string) bool { return !strings.HasPrefix(c, "name=") }

// make1 creates a directory in the hierarchy of each controller. Every cgroup includes the freezer:
// without it, killing all processes of a cgroup that forks is not reliable. Its directory is
// created first and removed last, and it is the one that is locked.
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

// names1 lists the hierarchies, besides the freezer's, in which a cgroup needs a directory.
func (h *Hierarchy) names1(r Resources) (names []string, err error) {
	for _, c := range r.controllers() {
		switch c {
		case "cpu":
			names = append(names, "cpu")
			if slices.Contains(r.Count, "cpu") {
				names = append(names, "cpuacct") // v1 counts CPU time in a separate controller
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
			return nil, &Unavailable{
				"cgroup v1 has no pressure files, and no v2 hierarchy is mounted beside it",
				"boot with systemd.unified_cgroup_hierarchy=1, " +
					"or mount -t cgroup2 none /sys/fs/cgroup/unified",
			}
		}
		return nil, &Unavailable{"no hierarchy with the " + c + " controller is mounted", fixKernel}
	}
	slices.Sort(names)
	return slices.DeleteFunc(names, func(c string) bool { return c == "freezer" }), nil
}

// placeCpuset fills a new cgroup of the cpuset controller. It also fills the place, which then
// copies its CPUs and memory nodes to the cgroups created after it. (cpuset.rst, 1.2,
// cgroup.clone_children)
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

// all lists the directories of the cgroup, each once.
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

// freeze1 writes FROZEN or THAWED and waits. In between, the kernel reports FREEZING; if a process
// was forking at that moment, the state must be written again.
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

// kill1 freezes, kills and thaws, because v1 has no cgroup.kill. While all processes are frozen,
// none can fork, so the list of processes is complete. But on v1 a frozen process does not exit
// until it is thawed.
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
