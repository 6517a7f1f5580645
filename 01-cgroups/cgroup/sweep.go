//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ByHand names cgroups that a reader creates by hand, beside the place of our own. They have no
// owner, so they are left alone for an hour.
const ByHand = "containerkit-byhand"

// Sweep removes the cgroups whose owner no longer runs: a program that was terminated with kill -9
// could not remove them itself. An owner holds a lock on its cgroup's directory for as long as it
// runs, so a process that gets the lock knows that the owner has exited. Sweep kills the processes
// that still run in such a cgroup. It returns the directories that it removed.
//
// It looks only into the place that all our cgroups are in, and there at a few of them, chosen at
// random: the cost of a start must not depend on the number of running containers. SweepAll looks
// at all.
func Sweep() (removed []string, err error) { return sweep(false) }

// SweepAll sweeps all our cgroups, and those that readers created by hand.
func SweepAll() (removed []string, err error) { return sweep(true) }

// few is the number of cgroups that Sweep looks at.
const few = 8

func sweep(all bool) (removed []string, err error) {
	h, err := Find()
	if err != nil {
		var no *Unavailable
		if errors.As(err, &no) {
			return nil, nil // a user who cannot create cgroups has left none behind
		}
		return nil, err
	}
	removed, err = h.sweep(all)
	if all {
		for _, parent := range h.parents() {
			gone, byHandErr := sweepByHand(parent)
			if gone {
				removed = append(removed, filepath.Join(parent, ByHand))
			}
			err = errors.Join(err, byHandErr)
		}
	}
	return removed, err
}

// sweep sweeps the cgroups in the place, or a few of them, while the place is locked: so it finds
// no half-created cgroup.
func (h *Hierarchy) sweep(all bool) (removed []string, err error) {
	at, err := h.lock(false)
	if errors.Is(err, os.ErrNotExist) {
		return unshareIn(h.parents())
	}
	if err != nil {
		return nil, err
	}
	defer at.Close()
	names, err := subdirs(at)
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, added) })
	errs, live := []error{err}, 0
	if !all && len(names) > few {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		names, live = names[:few], len(names)-few
	}
	for _, name := range names {
		gone, err := h.sweepOne(at, name)
		removed, errs = append(removed, gone...), append(errs, err)
		if len(gone) == 0 {
			live++
		}
	}
	if live == 0 {
		unused, err := unshareIn(h.parents())
		removed, errs = append(removed, unused...), append(errs, err, h.leave(h.parents()))
	}
	return removed, errors.Join(errs...)
}

// sweepOne removes a cgroup if its owner no longer runs. It removes nothing if the owner runs, or
// if the directory belongs to another user.
func (h *Hierarchy) sweepOne(at *os.File, name string) (removed []string, err error) {
	dir := filepath.Join(at.Name(), name)
	f, err := openDirAt(int(at.Fd()), name, dir)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if uid, err := ownerOf(f); err != nil || uid != os.Geteuid() {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, nil // the owner runs
	}
	if err := killAll(h.Version, dir); err != nil {
		return nil, err
	}
	parents := recorded(f, h)
	for _, parent := range parents {
		gone, err := removeIn(parent, name)
		if err != nil {
			return removed, err
		}
		if gone != "" {
			removed = append(removed, gone)
		}
	}
	if err := removeAt(int(at.Fd()), name, dir); err != nil {
		return removed, err
	}
	// If the owner was in other cgroups than we are, no other sweep looks for these.
	unused, err := unshareIn(parents)
	return append(append(removed, dir), unused...), errors.Join(err, h.leave(parents))
}

// removeIn removes a cgroup's directory in another hierarchy of v1.
func removeIn(parent, name string) (removed string, err error) {
	at, err := openPlace(parent, false)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer at.Close()
	dir := filepath.Join(at.Name(), name)
	var st unix.Stat_t
	if err := unix.Fstatat(int(at.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return "", nil
	}
	return dir, removeAt(int(at.Fd()), name, dir)
}

// killAll kills the processes of a cgroup whose owner no longer runs.
func killAll(v Version, dir string) error {
	if v == V2 {
		return kill2(dir)
	}
	// Thaw first: a killed program may have left them frozen, and a frozen process cannot exit.
	if err := freeze1(dir, "THAWED"); err != nil {
		return err
	}
	return kill1(dir)
}

// record names the extended attribute in which a cgroup of v1 records the parents of its
// directories in other hierarchies. Only the freezer's directory is locked, so only that one shows
// whether the owner runs. And the process that cleans up can be in other cgroups than the owner
// was. Only root can write the attribute. (xattr(7), "Trusted extended attributes")
const record = "trusted.containerkit"

// note records the parents. Root in a privileged container cannot write the attribute. It finds its
// own cgroups without it, below its current ones.
func (g *Group) note(parents []string) error {
	err := unix.Fsetxattr(int(g.owner.Fd()), record, []byte(strings.Join(parents, "\n")), 0)
	if err != nil && err != unix.EPERM && err != unix.EOPNOTSUPP {
		return &os.PathError{Op: "setxattr", Path: g.owner.Name(), Err: err}
	}
	return nil
}

// recorded lists the parents of a cgroup's directories in other hierarchies.
func recorded(f *os.File, h *Hierarchy) []string {
	if h.Version == V2 {
		return nil
	}
	buf := make([]byte, 64<<10) // the kernel's limit (xattr(7))
	n, err := unix.Fgetxattr(int(f.Fd()), record, buf)
	if err != nil || n == 0 {
		return h.parents()[1:]
	}
	return strings.Split(string(buf[:n]), "\n")
}

// sweepByHand removes a cgroup that a reader created by hand and forgot.
func sweepByHand(parent string) (gone bool, err error) {
	dir := filepath.Join(parent, ByHand)
	f, err := openDirAt(unix.AT_FDCWD, dir, dir)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if uid, err := ownerOf(f); err != nil || uid != os.Geteuid() {
		return false, err
	}
	if st, err := f.Stat(); err != nil || time.Since(st.ModTime()) < time.Hour {
		return false, err
	}
	if err := emptyByHand(dir); err != nil {
		return false, fmt.Errorf("%w (created by hand: %s)", err, dir)
	}
	err = removeTree(dir)
	return err == nil, err
}

// emptyByHand kills the processes in a cgroup of any hierarchy.
func emptyByHand(dir string) error {
	if _, err := os.Stat(dir + "/freezer.state"); err == nil {
		return killAll(V1, dir)
	}
	if _, err := os.Stat(dir + "/cgroup.kill"); err == nil {
		return kill2(dir)
	}
	return killOneByOne(dir)
}
