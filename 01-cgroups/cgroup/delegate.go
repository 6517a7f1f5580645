//go:build linux

package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Delegate hands the group over to a user: he may then make groups below it, set their limits, and move his own
// processes among them (cgroups(7), "Cgroups delegation"). The group's own limits stay whose they were: they are what
// he was given. A group in which he is to live must be a leaf below it, made with Below before.
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

// delegatable names the files that belong to whom a group is handed to: those that change what is in the group, and
// none that changes what the group may use. Newer kernels may have more of them, so v2 has a list.
func delegatable(v Version) ([]string, error) {
	if v == V1 {
		return []string{"cgroup.procs", "tasks"}, nil
	}
	list, err := read("/sys/kernel/cgroup/delegate")
	return strings.Fields(list), err
}

// NSDelegate tells whether a cgroup namespace is a border here: v2's tree is mounted with nsdelegate, as systemd does.
// Then not even root in the namespace changes the limits of the group that is its root, or leaves it.
func (h *Hierarchy) NSDelegate() bool {
	table, err := read("/proc/self/mountinfo")
	if err != nil || h.Version != V2 {
		return false
	}
	return slices.ContainsFunc(cgroupMounts(table), func(m treeMount) bool { return m.v2 && slices.Contains(m.options, "nsdelegate") })
}
