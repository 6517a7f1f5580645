//go:build linux

package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ByHand is the name for groups that a reader makes by hand. They have no owner, so Sweep gives them an hour.
const ByHand = Prefix + "byhand"

// Sweep removes the groups whose owner is dead: a run that was ended with kill -9 could not do it itself. An owner
// holds a lock on its group's directory as long as it lives; who gets that lock knows that nobody is there any more.
// What still runs in such a group is killed. It returns the directories removed.
//
// On v1 a group has a directory in several of a dozen trees, one of them always the freezer's. Sweep runs beside every
// container's start: it looks there first, and into the other trees only if it finds something. SweepAll looks
// everywhere, and so finds also what a reader has made by hand.
func Sweep() (removed []string, err error) { return sweep(false) }

// SweepAll is Sweep for every tree.
func SweepAll() (removed []string, err error) { return sweep(true) }

func sweep(all bool) (removed []string, err error) {
	h, err := Find()
	if err != nil {
		var no *Unavailable
		if errors.As(err, &no) {
			return nil, nil // who may not make groups has left none
		}
		return nil, err
	}
	unlock, err := h.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	var errs []error
	for i, root := range h.sweepRoots() {
		if i > 0 && !all && len(removed) == 0 {
			break
		}
		errs = append(errs, sweepTree(root, &removed))
	}
	if h.Version == V2 {
		errs = append(errs, h.restore())
	}
	return removed, errors.Join(errs...)
}

// sweepTree sweeps what lies below top, and adds it to removed.
func sweepTree(top string, removed *[]string) error {
	var errs []error
	walkErr := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // it went while we looked, or is not ours to see
		}
		name := filepath.Base(path)
		if !strings.HasPrefix(name, Prefix) || strings.HasPrefix(name, added) {
			return nil
		}
		gone, err := sweepOne(path)
		if gone {
			*removed = append(*removed, path)
		}
		errs = append(errs, err)
		return fs.SkipDir
	})
	return errors.Join(append(errs, walkErr)...)
}

// sweepRoots is where to look: everywhere that we may write. On v1 the freezer's tree comes first, since a frozen
// process can neither die nor leave the other trees.
func (h *Hierarchy) sweepRoots() []string {
	if h.Version == V2 {
		return []string{h.Root}
	}
	roots := []string{h.Parents["freezer"]}
	for _, m := range h.mounts {
		if strings.HasPrefix(h.Parents["freezer"], m) {
			roots[0] = m
		}
	}
	for _, m := range h.mounts {
		if m != roots[0] {
			roots = append(roots, m)
		}
	}
	return roots
}

// sweepOne removes one group if its owner is dead.
func sweepOne(dir string) (gone bool, err error) {
	if strings.HasPrefix(filepath.Base(dir), ByHand) {
		if st, err := os.Stat(dir); err != nil || time.Since(st.ModTime()) < time.Hour {
			return false, nil
		}
	}
	f, err := openDir(dir)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return false, nil // the owner lives
	}
	if _, err := os.Stat(dir + "/freezer.state"); err == nil {
		// Before anything else: a killed run may have left them frozen, and the frozen cannot die (v1).
		if err := freeze1(dir, "THAWED"); err != nil {
			return false, err
		}
		if err := kill1(dir); err != nil {
			return false, err
		}
	} else if _, err := os.Stat(dir + "/cgroup.kill"); err == nil {
		if err := kill2(dir); err != nil {
			return false, err
		}
	} else if err := killOneByOne(dir); err != nil {
		return false, err
	}
	err = removeTree(dir)
	return err == nil, err
}
