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

// Sweep removes the cgroups whose owner is dead: a program that was ended with kill -9 could not do
// it itself. An owner holds a lock on its cgroup's directory for as long as it lives, so a process
// that gets the lock knows that the owner is gone. What still runs in such a cgroup is killed. It
// returns the directories removed.
//
// It looks only into the place that all our cgroups are in, and there at a few of them, chosen at
// random: what a start costs must not depend on how many containers run. SweepAll looks at all.
func Sweep() (removed []string, err error) { return sweep(false) }

// SweepAll is Sweep for all our cgroups, and for what readers have created by hand.
func SweepAll() (removed []string, err error) { return sweep(true) }

// few is how many cgroups Sweep looks at.
const few = 8

func sweep(all bool) (removed []string, err error) {
	h, err := Find()
	if err != nil {
		var no *Unavailable
		if errors.As(err, &no) {
			return nil, nil // a user who may not create cgroups has left none
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

// sweep looks at all cgroups in the place, or at a few, while the place is locked: no cgroup is half
// made.
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

// sweepOne removes a cgroup if its owner is dead, and nothing if it lives, or if the directory is
// another user's.
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
		return nil, nil // the owner lives
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
	// Where the owner was in other cgroups than we are, no other sweep looks for these.
	unused, err := unshareIn(parents)
	return append(append(removed, dir), unused...), errors.Join(err, h.leave(parents))
}

// removeIn removes what a cgroup has in another hierarchy of v1.
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

// killAll kills what is left of a cgroup whose owner is dead.
func killAll(v Version, dir string) error {
	if v == V2 {
		return kill2(dir)
	}
	// Before anything else: a killed program may have left them frozen, and the frozen cannot die.
	if err := freeze1(dir, "THAWED"); err != nil {
		return err
	}
	return kill1(dir)
}

// record is where a cgroup of v1 notes in which other hierarchies it has directories, and below
// which cgroups. Only the freezer's directory is locked, so only there is it known whether the
// owner lives; and the next process may be in other cgroups than the dead owner was. Only root can
// write it (xattr(7), "Trusted extended attributes").
const record = "trusted.containerkit"

// note records the parents. A privileged container's root may not, but finds its own cgroups where
// it is itself.
func (g *Group) note(parents []string) error {
	err := unix.Fsetxattr(int(g.owner.Fd()), record, []byte(strings.Join(parents, "\n")), 0)
	if err != nil && err != unix.EPERM && err != unix.EOPNOTSUPP {
		return &os.PathError{Op: "setxattr", Path: g.owner.Name(), Err: err}
	}
	return nil
}

// recorded lists where else a cgroup has directories.
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

// sweepByHand removes the cgroup that a reader has created by hand and forgotten.
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

// emptyByHand kills what runs in a cgroup of any hierarchy.
func emptyByHand(dir string) error {
	if _, err := os.Stat(dir + "/freezer.state"); err == nil {
		return killAll(V1, dir)
	}
	if _, err := os.Stat(dir + "/cgroup.kill"); err == nil {
		return kill2(dir)
	}
	return killOneByOne(dir)
}
