//go:build linux

package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Delegate delegates the cgroup to a user, who can then create cgroups below it, set their limits,
// and move processes among them. (cgroups(7), "Cgroups delegation") The cgroup's own limits still
// belong to the delegater. A cgroup for the user's processes must be a leaf below it, created with
// Below before.
func (g *Group) Delegate(uid, gid int) error {
	files, err := delegatable(g.Version)
	if err != nil {
		return err
	}
	for _, dir := range g.all() {
		for _, at := range append([]string{dir}, children(dir)...) {
			if err := os.Chown(at, uid, gid); err != nil {
				return err
			}
			for _, file := range files {
				if err := os.Chown(filepath.Join(at, file), uid, gid); err != nil && !errors.Is(err, os.ErrNotExist) {
					return err
				}
			}
		}
	}
	return nil
}

// delegatable lists the files that the delegatee owns: those that change which processes and
// cgroups are in the cgroup, and none that changes its limits. Newer kernels can have more of them,
// so v2 has a list.
func delegatable(v Version) ([]string, error) {
	if v == V1 {
		return []string{"cgroup.procs", "tasks"}, nil
	}
	list, err := read("/sys/kernel/cgroup/delegate")
	return strings.Fields(list), err
}

// NSDelegate reports whether a cgroup namespace is a delegation boundary here: v2's hierarchy is
// mounted with nsdelegate, as systemd does. Then even root in the namespace can't change the limits
// of the cgroup that is its root, or leave it.
func (h *Hierarchy) NSDelegate() bool {
	table, err := read("/proc/self/mountinfo")
	if err != nil || h.Version != V2 {
		return false
	}
	return slices.ContainsFunc(cgroupMounts(table), func(m treeMount) bool { return m.v2 && slices.Contains(m.options, "nsdelegate") })
}
