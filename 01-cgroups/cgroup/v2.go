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

// find2 looks for the place of our groups: the topmost ancestor of our own cgroup that we may write to. For root that
// is the root of the mount; for an ordinary user it is what somebody delegated to him, as systemd does with
// user@UID.service (Documentation/admin-guide/cgroup-v2.rst, "Delegation").
//
// Topmost, because of the rule of no internal processes: a group that hands controllers down may not have processes
// itself, and in our own group there is at least one: us.
func (h *Hierarchy) find2(t tree) error {
	h.Own = t.own
	for dir := t.own; ; dir = filepath.Dir(dir) {
		err := writable(dir)
		if err == nil {
			h.Root = dir
		} else if h.Root == "" {
			if errors.Is(err, unix.EROFS) {
				return &Unavailable{"the cgroup tree is mounted read-only: " + t.mount, fixReadOn}
			}
			return &Unavailable{fmt.Sprintf("no cgroup is delegated to user %d: %v", self(), err), fixUser}
		}
		if err != nil || dir == t.mount || dir == "/" {
			break
		}
	}
	have, err := read(h.Root + "/cgroup.controllers")
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(have) {
		h.Parents[c] = h.Root
	}
	return nil
}

// make2 makes the directory and its leaf, after the parents have been told to hand down the
// controllers that the group needs. The leaf needs none: what its processes use is counted, and
// limited, in the group above.
func (g *Group) make2(controllers []string) error {
	if err := g.h.handDown(controllers); err != nil {
		return err
	}
	if err := g.mkdir("", g.h.Root); err != nil {
		return err
	}
	if err := g.own(g.dirs[""]); err != nil {
		return err
	}
	leaf := filepath.Join(g.dirs[""], leafName)
	if err := os.Mkdir(leaf, 0o755); err != nil {
		return err
	}
	g.leaf = leaf
	var err error
	g.born, err = openDirAt(int(g.owner.Fd()), leafName, leaf)
	return err
}

// added marks a controller that we switched on in the root's subtree_control: an empty group in the
// place, +cpu. It is a note to whoever removes the last of our groups, also after a kill -9: this
// one was off before.
const added = "+"

// handDown switches controllers on for the groups in the place. A child has the files of a
// controller (pids.max…) only if its parent's cgroup.subtree_control lists it. Usually Root hands
// them down already, and one write is enough.
func (h *Hierarchy) handDown(controllers []string) error {
	var plus []string
	for _, c := range controllers {
		if c != "pressure" { // every group of v2 has its pressure files
			plus = append(plus, "+"+c)
		}
	}
	if len(plus) == 0 {
		return nil
	}
	file := filepath.Join(h.Root, place, "cgroup.subtree_control")
	err := write(file, strings.Join(plus, " "))
	if err == nil {
		return nil
	}
	on, err := read(h.Root + "/cgroup.subtree_control")
	if err != nil {
		return err
	}
	for _, p := range plus {
		if c := p[1:]; !slices.Contains(strings.Fields(on), c) {
			if err := h.switchOn(c); err != nil {
				return err
			}
		}
	}
	return write(file, strings.Join(plus, " "))
}

// switchOn makes Root hand a controller down, and marks it.
func (h *Hierarchy) switchOn(c string) error {
	if h.Parents[c] == "" {
		fix := fixKernel
		if self() != 0 {
			fix = fixSystemd
		}
		return &Unavailable{fmt.Sprintf("the %s controller is not handed down to %s (its cgroup.controllers does not list it)", c, h.Root), fix}
	}
	// The kernel refuses memory and io here with EBUSY. It accepts pids and cpu, which can tell
	// threads apart, and then no child of Root can have a process any more ("domain invalid" in its
	// cgroup.type): so look first. The root of all has no cgroup.type, and is free of the rule.
	if _, err := os.Stat(h.Root + "/cgroup.type"); err == nil {
		if pids, err := procs(h.Root + "/cgroup.procs"); err == nil && len(pids) > 0 {
			return h.inhabited(unix.EBUSY)
		}
	}
	marker := filepath.Join(h.Root, place, added+c)
	if err := os.Mkdir(marker, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	err := write(h.Root+"/cgroup.subtree_control", "+"+c)
	if err == nil {
		return nil
	}
	_ = unix.Rmdir(marker)
	if errors.Is(err, unix.EBUSY) {
		return h.inhabited(err)
	}
	if denied(err) {
		return &Unavailable{err.Error(), fixUser}
	}
	return err
}

// inhabited explains the rule that people stumble over most.
func (h *Hierarchy) inhabited(err error) error {
	return &Unavailable{
		fmt.Sprintf("processes live in %s itself, and a group with processes may not hand controllers down (no internal processes: %v)", h.Root, err),
		"move them to a group below it first: mkdir leaf, then each line of cgroup.procs to leaf/cgroup.procs",
	}
}

// restore takes back what handDown switched on, when the last of our groups has gone, and removes
// the place. What somebody else has come to use meanwhile is theirs, and stays on.
func (h *Hierarchy) restore() error {
	at := filepath.Join(h.Root, place)
	markers := children(at)
	for _, dir := range markers {
		if !strings.HasPrefix(filepath.Base(dir), added) {
			return nil // somebody is still there
		}
	}
	others := slices.DeleteFunc(children(h.Root), func(dir string) bool { return dir == at })
	var errs []error
	for _, dir := range markers {
		c := strings.TrimPrefix(filepath.Base(dir), added)
		if err := write(at+"/cgroup.subtree_control", "-"+c); err != nil {
			errs = append(errs, err)
		}
		// The kernel would take it away from a group that has set a limit, and the limit with it. EBUSY: a group hands it
		// further down.
		if !slices.ContainsFunc(others, func(other string) bool { return uses(other, c) }) {
			if err := write(h.Root+"/cgroup.subtree_control", "-"+c); err != nil && !errors.Is(err, unix.EBUSY) {
				errs = append(errs, err)
			}
		}
		errs = append(errs, removeTree(dir))
	}
	return errors.Join(append(errs, removeTree(at))...)
}

// unset is what the files of a controller say in a group that nobody has set anything for:
// Documentation/admin-guide/cgroup-v2.rst.
var unset = map[string]map[string]string{
	"pids":   {"pids.max": "max"},
	"cpu":    {"cpu.max": "max 100000", "cpu.weight": "100"},
	"cpuset": {"cpuset.cpus": "", "cpuset.mems": ""},
	"io":     {"io.max": "", "io.weight": "default 100"},
	"memory": {"memory.max": "max", "memory.high": "max", "memory.swap.max": "max", "memory.low": "0", "memory.min": "0"},
}

// uses tells whether somebody has set something for a group that needs the controller.
func uses(dir, controller string) bool {
	for file, usual := range unset[controller] {
		if text, err := read(dir + "/" + file); err == nil && strings.TrimSpace(text) != usual {
			return true
		}
	}
	return false
}

// HandsDown tells whether Root handed a controller down before any of our groups was made.
func (h *Hierarchy) HandsDown(controller string) bool {
	on, err := read(h.Root + "/cgroup.subtree_control")
	_, ours := os.Stat(filepath.Join(h.Root, place, added+controller))
	return err == nil && slices.Contains(strings.Fields(on), controller) && ours != nil
}

// HandDown switches a controller on for the groups below this one.
func (g *Group) HandDown(controller string) error {
	return g.Set("cgroup.subtree_control", "+"+controller)
}

// freeze2 writes 1 (freeze) or 0 (thaw), and waits until the kernel says that it is done: stopping takes a moment.
func freeze2(dir, state string) error {
	if err := write(dir+"/cgroup.freeze", state); err != nil {
		return err
	}
	err := retry(func() error {
		text, err := read(dir + "/cgroup.events")
		if err == nil && !strings.Contains(text, "frozen "+state) {
			return errNotYet
		}
		return err
	}, errNotYet, patience)
	if err != nil {
		return fmt.Errorf("cgroup: wait for \"frozen %s\" in %s/cgroup.events: %w", state, dir, err)
	}
	return nil
}

// kill2 kills everybody in the group and below with one write: no fork can slip through (cgroup.kill, Linux 5.14).
func kill2(dir string) error {
	err := write(dir+"/cgroup.kill", "1")
	if errors.Is(err, unix.ENOENT) {
		if err = freeze2(dir, "1"); err == nil {
			err = errors.Join(killOneByOne(dir), freeze2(dir, "0"))
		}
	}
	if err != nil {
		return err
	}
	return waitEmpty2(dir)
}

// waitEmpty2 waits until no process is left in a group, nor in the groups below it.
func waitEmpty2(dir string) error {
	return waitFor(dir, func() (bool, error) {
		text, err := read(dir + "/cgroup.events")
		return strings.Contains(text, "populated 0"), err
	})
}
