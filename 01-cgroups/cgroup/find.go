//go:build linux

package cgroup

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Version is which of the two generations of cgroups a machine uses.
type Version int

// V1 is a tree for each controller; hybrid machines, with v1 controllers and an empty v2 tree beside them, are V1 too.
// V2 is one tree for all.
const (
	V1 Version = 1
	V2 Version = 2
)

func (v Version) String() string { return fmt.Sprintf("cgroup v%d", int(v)) }

// A Hierarchy is what this machine has, and where in it this process may make groups.
type Hierarchy struct {
	Version Version
	Hybrid  bool   // v1 controllers, and a v2 tree without them
	Own     string // the directory of this process's own cgroup (v1: the freezer's)
	Root    string // v2: the directory in which groups are made
	// Parents has the directory in which groups are made for each controller. On v2 it is Root for
	// all. "unified" is the v2 tree of a hybrid machine, and "name=systemd" a tree of v1 without a
	// controller.
	Parents map[string]string
}

// Controllers lists the controllers that groups can have here, under the names that this version gives them.
func (h *Hierarchy) Controllers() []string {
	var list []string
	for c := range h.Parents {
		if c != "unified" && !strings.HasPrefix(c, "name=") {
			list = append(list, c)
		}
	}
	slices.Sort(list)
	return list
}

// Has tells whether groups can have a controller, under its name in v2.
func (h *Hierarchy) Has(controller string) bool {
	if h.Version == V1 {
		controller = strings.TrimSuffix(local1(controller+"."), ".")
	}
	return h.Parents[controller] != ""
}

// Unavailable says that groups, or a controller, cannot be had on this machine or by this user, and what would help.
type Unavailable struct{ Reason, Fix string }

func (e *Unavailable) Error() string { return e.Reason + "; " + e.Fix }

const (
	fixUser    = "run it as root (go run -exec sudo ./01-cgroups), or where systemd delegates a group to you: systemd-run --user --scope -p Delegate=yes go run ./01-cgroups"
	fixRoot    = "run it as root: go run -exec sudo ./01-cgroups (cgroup v1 cannot be delegated safely)"
	fixReadOn  = "inside Docker: docker run --privileged --cgroupns=private; or run it on the host or in a VM"
	fixMount   = "mount -t cgroup2 none /sys/fs/cgroup"
	fixKernel  = "a kernel with this controller, and without cgroup_disable= on its command line (/proc/cgroups lists what it has)"
	fixSwap    = "boot with swapaccount=1 on the kernel's command line, or do without swap: sudo swapoff -a"
	fixSystemd = `sudo systemctl edit user@.service, add "[Service]" and "Delegate=cpu cpuset io memory pids", log in again; or run it as root`
)

// Find looks at the machine: /proc/self/mountinfo says which trees are mounted, /proc/self/cgroup where we are in them.
// It makes nothing. The error is an *Unavailable if there is no place where this process may make groups.
func Find() (*Hierarchy, error) {
	table, err := read("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	own, err := read("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	trees := parseTrees(table, own)
	h := &Hierarchy{Parents: map[string]string{}}
	for _, t := range trees {
		if slices.Contains(t.controllers, "pids") || slices.Contains(t.controllers, "memory") {
			h.Version = V1
		}
	}
	switch {
	case h.Version == V1:
		return h, h.find1(trees)
	case len(trees) > 0:
		h.Version = V2
		return h, h.find2(trees[0])
	}
	return nil, &Unavailable{"no cgroup tree is mounted here", fixMount}
}

// user is who asks, as a message should call him. The steps of an ordinary user run as root of a user namespace that
// has nobody but him: then he is meant, and uidMap, /proc/self/uid_map, tells his number outside (user_namespaces(7)).
func user(euid int, uidMap string) int {
	var inside, outside, count int
	if _, err := fmt.Sscan(uidMap, &inside, &outside, &count); err == nil && count == 1 && inside == euid {
		return outside
	}
	return euid
}

// self is the user of this process.
func self() int {
	uidMap, _ := read("/proc/self/uid_map") // no file: no user namespaces
	return user(os.Geteuid(), uidMap)
}

// A tree is one mounted hierarchy, and the directory in it in which this process is.
type tree struct {
	mount       string
	own         string
	controllers []string // empty: v2
}

// parseTrees reads the two tables of proc(5), proc_pid_mountinfo(5) and cgroups(7). It asks the kernel nothing.
// The v2 tree, if there is one, comes first.
func parseTrees(mountinfo, cgroup string) []tree {
	mounts := cgroupMounts(mountinfo)
	var trees []tree
	for line := range strings.Lines(cgroup) {
		// 4:memory:/user.slice     v2: 0::/user.slice
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		t := tree{}
		if f[1] != "" {
			t.controllers = strings.Split(f[1], ",")
		}
		i := slices.IndexFunc(mounts, func(m treeMount) bool {
			return m.v2 == (t.controllers == nil) &&
				!slices.ContainsFunc(t.controllers, func(c string) bool { return !slices.Contains(m.options, c) })
		})
		if i < 0 {
			continue
		}
		// In a container the mount may show only a part of the tree: its root is left out of the path.
		rel, err := filepath.Rel(mounts[i].root, f[2])
		if err != nil || strings.HasPrefix(rel, "..") {
			rel = "."
		}
		t.mount = mounts[i].path
		t.own = filepath.Join(t.mount, rel)
		if t.controllers == nil {
			trees = append([]tree{t}, trees...)
		} else {
			trees = append(trees, t)
		}
	}
	return trees
}

// A treeMount is a line of mountinfo about a cgroup tree.
type treeMount struct {
	v2         bool
	root, path string   // what of the tree is mounted where
	options    []string // of the file system: on v1 the controllers are among them
}

func cgroupMounts(mountinfo string) (mounts []treeMount) {
	for line := range strings.Lines(mountinfo) {
		// 41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
		left, right, ok := strings.Cut(strings.TrimSpace(line), " - ")
		if !ok || !strings.HasPrefix(right, "cgroup") {
			continue
		}
		l, r := strings.Fields(left), strings.Fields(right)
		if len(l) < 5 || len(r) < 3 || r[0] != "cgroup" && r[0] != "cgroup2" {
			continue
		}
		mounts = append(mounts, treeMount{r[0] == "cgroup2", l[3], unescape.Replace(l[4]), strings.Split(r[2], ",")})
	}
	return mounts
}

// unescape undoes what mountinfo does to odd characters.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// writable tells whether this process may make groups in dir and put processes into them: for the latter it must be
// allowed to write to cgroup.procs of the common ancestor of where they are and where they go.
func writable(dir string) error {
	for _, path := range []string{dir, dir + "/cgroup.procs"} {
		if err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS); err != nil {
			return &os.PathError{Op: "write", Path: path, Err: err}
		}
	}
	return nil
}

// parents lists the cgroups below which ours are, each once, that of the lock first.
func (h *Hierarchy) parents() []string {
	list := []string{h.base()}
	if h.Version == V2 {
		return list
	}
	for _, c := range slices.Sorted(maps.Keys(h.Parents)) {
		if !slices.Contains(list, h.Parents[c]) {
			list = append(list, h.Parents[c])
		}
	}
	return list
}

// checkCPUs refuses CPUs that are not to be had. The kernel refuses some itself, but v2 accepts a CPU that is offline
// or the parent's to give to others, and then quietly lets the group run on all.
func (h *Hierarchy) checkCPUs(list string) error {
	if list == "" || !h.Has("cpuset") {
		return nil
	}
	file := "/cpuset.cpus.effective"
	if h.Version == V1 {
		file = "/cpuset.cpus"
	}
	have, err := read(h.Parents["cpuset"] + file)
	if err != nil {
		return err
	}
	want, err := parseCPUs(list)
	if err != nil {
		return err
	}
	allowed, err := parseCPUs(have)
	if err != nil {
		return err
	}
	for _, cpu := range want {
		if !slices.Contains(allowed, cpu) {
			return fmt.Errorf("cgroup: the list of CPUs %q: there is no CPU %d here, only %s", list, cpu, have)
		}
	}
	return nil
}
