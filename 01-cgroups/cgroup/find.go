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

// Version is one of the two generations of cgroups.
type Version int

// V1 has a hierarchy for each controller; hybrid machines, which have v1 controllers and an empty
// v2 hierarchy beside them, are V1 too. V2 has one hierarchy for all controllers.
const (
	V1 Version = 1
	V2 Version = 2
)

func (v Version) String() string { return fmt.Sprintf("cgroup v%d", int(v)) }

// A Hierarchy describes the cgroups of this machine, and where this process can create new ones.
type Hierarchy struct {
	Version Version
	Hybrid  bool   // v1 controllers, and a v2 hierarchy without them
	Own     string // the directory of this process's own cgroup (v1: the freezer's)
	Root    string // v2: the directory in which cgroups are created
	// Parents maps each controller to the directory in which its cgroups are created. On v2 it is
	// Root for all. "unified" is the v2 hierarchy of a hybrid machine, and "name=systemd" a
	// hierarchy of v1 without a controller.
	Parents map[string]string
}

// Controllers lists the controllers that cgroups can have here, by their names in this version.
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

// Has reports whether cgroups can have a controller, given by its name in v2.
func (h *Hierarchy) Has(controller string) bool {
	if h.Version == V1 {
		controller = strings.TrimSuffix(local1(controller+"."), ".")
	}
	return h.Parents[controller] != ""
}

// An Unavailable error says why this machine or this user cannot have cgroups, or a controller, and
// how to fix it.
type Unavailable struct{ Reason, Fix string }

func (e *Unavailable) Error() string { return e.Reason + "; " + e.Fix }

const (
	fixUser = "run it as root (go run -exec sudo ./01-cgroups), or where systemd delegates " +
		"a cgroup to you: systemd-run --user --scope -p Delegate=yes go run ./01-cgroups"
	fixRoot = "run it as root: go run -exec sudo ./01-cgroups " +
		"(cgroup v1 cannot be delegated safely)"
	fixReadOn = "inside Docker: docker run --privileged --cgroupns=private; " +
		"or run it on the host or in a VM"
	fixMount  = "mount -t cgroup2 none /sys/fs/cgroup"
	fixKernel = "a kernel with this controller, and without cgroup_disable= on its command line " +
		"(/proc/cgroups lists its controllers)"
	fixSwap    = "boot with swapaccount=1 on the kernel's command line, or do without swap: sudo swapoff -a"
	fixSystemd = `sudo systemctl edit user@.service, add "[Service]" and "Delegate=cpu cpuset io memory pids", log in again; or run it as root`
)

// Find examines the machine: /proc/self/mountinfo lists the mounted hierarchies, /proc/self/cgroup
// our cgroup in each of them. It creates nothing. It returns an *Unavailable error if this process
// can't create cgroups anywhere.
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
	return nil, &Unavailable{"no cgroup hierarchy is mounted here", fixMount}
}

// user returns the UID to show in messages. The steps of an ordinary user run as root of a user
// namespace that contains only that user. In that case user returns the UID outside, from uidMap,
// the text of /proc/self/uid_map. (user_namespaces(7))
func user(euid int, uidMap string) int {
	var inside, outside, count int
	if _, err := fmt.Sscan(uidMap, &inside, &outside, &count); err == nil && count == 1 && inside == euid {
		return outside
	}
	return euid
}

// self returns the UID of this process to show in messages.
func self() int {
	uidMap, _ := read("/proc/self/uid_map") // no file: no user namespaces
	return user(os.Geteuid(), uidMap)
}

// A tree is one mounted hierarchy, and the directory of this process in it.
type tree struct {
	mount       string
	own         string
	controllers []string // empty: v2
}

// parseTrees parses the two tables of proc_pid_mountinfo(5) and cgroups(7). It makes no system
// call. The v2 hierarchy, if there is one, comes first.
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
		// In a container the mount can show only a part of the hierarchy: the path does not include
		// its root.
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

// A treeMount is a line of mountinfo about a cgroup hierarchy.
type treeMount struct {
	v2         bool
	root, path string   // root in the hierarchy, mount point
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

// unescape reverses the octal escapes of mountinfo.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// writable reports, as an error, whether this process is denied to create cgroups in dir and move
// processes into them. Moving needs write access to cgroup.procs of the common ancestor of source
// and destination.
func writable(dir string) error {
	for _, path := range []string{dir, dir + "/cgroup.procs"} {
		if err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS); err != nil {
			return &os.PathError{Op: "write", Path: path, Err: err}
		}
	}
	return nil
}

// parents lists the parent directories of our cgroups, each once, that of the lock first.
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

// checkCPUs rejects CPUs that cgroups can't have here. The kernel rejects some itself. But v2
// accepts a CPU that is offline or that the parent does not have, and then silently lets the cgroup
// run on all.
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
			return fmt.Errorf("cgroup: CPU list %q: no CPU %d here, only %s", list, cpu, have)
		}
	}
	return nil
}
