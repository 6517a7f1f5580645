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

// find2 finds the parent of our cgroups: the topmost ancestor of our own cgroup that we can write
// to. For root that is the root of the mount. For an ordinary user it is a cgroup that was
// delegated to that user, as systemd does with user@UID.service.
// (Documentation/admin-guide/cgroup-v2.rst, "Delegation")
//
// It is the topmost because of the "no internal processes" rule: a cgroup that enables controllers
// for its children can't contain processes. Our own cgroup contains at least one process: us.
func (h *Hierarchy) find2(t tree) error {
	h.Own = t.own
	for dir := t.own; ; dir = filepath.Dir(dir) {
		err := writable(dir)
		if err == nil {
			h.Root = dir
		} else if h.Root == "" {
			if errors.Is(err, unix.EROFS) {
				return &Unavailable{"the cgroup hierarchy is mounted read-only: " + t.mount,
					fixReadOn}
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

// make2 creates the directory and its leaf, after the parents have enabled the controllers that the
// cgroup needs. The leaf needs none: the cgroup above counts and limits what its processes use.
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

// added marks a controller that we enabled in the root's subtree_control: an empty cgroup in the
// place, named +cpu. It tells the process that removes the last of our cgroups, also after a kill
// -9, that the controller was disabled before.
const added = "+"

// handDown enables controllers for the cgroups in the place. A child has the files of a controller
// (pids.max…) only if its parent's cgroup.subtree_control lists the controller. Usually Root
// enables them already, and one write is enough.
func (h *Hierarchy) handDown(controllers []string) error {
	var plus []string
	for _, c := range controllers {
		if c != "pressure" { // every cgroup of v2 has its pressure files
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

// switchOn enables a controller in Root, and marks it.
func (h *Hierarchy) switchOn(c string) error {
	if h.Parents[c] == "" {
		fix := fixKernel
		if self() != 0 {
			fix = fixSystemd
		}
		return &Unavailable{fmt.Sprintf("the %s controller is not enabled for %s "+
			"(its cgroup.controllers does not list it)", c, h.Root), fix}
	}
	// For memory and io, the write fails with EBUSY here. For pids and cpu, which can be threaded,
	// it succeeds, and then no child of Root can have a process any more ("domain invalid" in its
	// cgroup.type). So check first. The root cgroup has no cgroup.type, and the rule does not apply
	// to it.
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

// inhabited explains the "no internal processes" rule.
func (h *Hierarchy) inhabited(err error) error {
	return &Unavailable{
		fmt.Sprintf("%s itself contains processes, and such a cgroup can't enable controllers for "+
			"its children (no internal processes: %v)", h.Root, err),
		"move them to a cgroup below it first: mkdir leaf, " +
			"then each line of cgroup.procs to leaf/cgroup.procs",
	}
}

// restore disables what handDown enabled, once the last of our cgroups is removed, and removes the
// place. A controller that another cgroup uses by now stays enabled.
func (h *Hierarchy) restore() error {
	at := filepath.Join(h.Root, place)
	markers := children(at)
	for _, dir := range markers {
		if !strings.HasPrefix(filepath.Base(dir), added) {
			return nil // another cgroup of ours is still there
		}
	}
	others := slices.DeleteFunc(children(h.Root), func(dir string) bool { return dir == at })
	var errs []error
	for _, dir := range markers {
		c := strings.TrimPrefix(filepath.Base(dir), added)
		if err := write(at+"/cgroup.subtree_control", "-"+c); err != nil {
			errs = append(errs, err)
		}
		// The kernel would disable it for a cgroup that has set a limit, and drop the limit. EBUSY:
		// a cgroup enables it for its own children.
		if !slices.ContainsFunc(others, func(other string) bool { return uses(other, c) }) {
			if err := write(h.Root+"/cgroup.subtree_control", "-"+c); err != nil && !errors.Is(err, unix.EBUSY) {
				errs = append(errs, err)
			}
		}
		errs = append(errs, removeTree(dir))
	}
	return errors.Join(append(errs, removeTree(at))...)
}

// unset holds the defaults of a controller's files: what they contain in a cgroup without limits.
// (Documentation/admin-guide/cgroup-v2.rst)
var unset = map[string]map[string]string{
	"pids":   {"pids.max": "max"},
	"cpu":    {"cpu.max": "max 100000", "cpu.weight": "100"},
	"cpuset": {"cpuset.cpus": "", "cpuset.mems": ""},
	"io":     {"io.max": "", "io.weight": "default 100"},
	"memory": {"memory.max": "max", "memory.high": "max", "memory.swap.max": "max", "memory.low": "0", "memory.min": "0"},
}

// uses reports whether a cgroup has a setting that needs the controller.
func uses(dir, controller string) bool {
	for file, usual := range unset[controller] {
		if text, err := read(dir + "/" + file); err == nil && strings.TrimSpace(text) != usual {
			return true
		}
	}
	return false
}

// HandsDown reports whether Root enabled a controller before any of our cgroups was created.
func (h *Hierarchy) HandsDown(controller string) bool {
	on, err := read(h.Root + "/cgroup.subtree_control")
	_, ours := os.Stat(filepath.Join(h.Root, place, added+controller))
	return err == nil && slices.Contains(strings.Fields(on), controller) && ours != nil
}

// HandDown enables a controller for the cgroups below this one.
func (g *Group) HandDown(controller string) error {
	return g.Set("cgroup.subtree_control", "+"+controller)
}

// freeze2 writes 1 (freeze) or 0 (thaw), and waits until the kernel reports that state: freezing
// takes a moment.
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

// kill2 kills every process in the cgroup and below with one write, so no fork can escape.
// (cgroup.kill, Linux 5.14)
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

// waitEmpty2 waits until no process is left in a cgroup and in the cgroups below it.
func waitEmpty2(dir string) error {
	return waitFor(dir, func() (bool, error) {
		text, err := read(dir + "/cgroup.events")
		return strings.Contains(text, "populated 0"), err
	})
}
