//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// unlimited names the cgroup that all our cgroups share in a v1 hierarchy in which they have no
// limit. Creating a cgroup there takes the kernel a tenth of a millisecond. The shared one is
// beside the place, not in it, and no cgroup is created below it, so a process in it sees none. Its
// limits are never set, and its counters are never read.
const unlimited = place + "-unlimited"

// shareRest opens the shared cgroup of each hierarchy in which the cgroup has no directory.
func (g *Group) shareRest() error {
	own := g.all()
	for _, parent := range g.h.parents() {
		if slices.Contains(own, filepath.Join(parent, g.Name)) {
			continue
		}
		f, err := share(parent)
		if err != nil {
			return err
		}
		g.shared = append(g.shared, f)
		switch parent {
		case g.h.Parents["cpuset"]:
			err = fillCpuset(parent, f.Name())
		case g.h.Parents["unified"]:
			g.born = f
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// share opens the shared cgroup in parent, and creates it for the first user. A shared lock marks
// it as used.
func share(parent string) (f *os.File, err error) {
	path := filepath.Join(parent, unlimited)
	err = retry(func() error {
		if f, err = openOwn(path, true); err != nil {
			return err
		}
		err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
		if err == nil && exists(f) {
			return nil
		}
		_ = f.Close()
		if err == nil || err == unix.EWOULDBLOCK {
			return errNotYet // it is being removed
		}
		return err
	}, errNotYet, patience)
	if err != nil {
		return nil, fmt.Errorf("cgroup: share %s: %w", path, err)
	}
	return f, nil
}

// unshare closes a shared cgroup, and removes it if no other cgroup uses it.
func unshare(f *os.File) (removed bool, err error) {
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil || !exists(f) {
		return false, nil
	}
	// EBUSY: the owner of another cgroup was killed, and its processes have not quite exited yet.
	err = retry(func() error { return unix.Rmdir(f.Name()) }, unix.EBUSY, 100*time.Millisecond)
	switch err {
	case nil:
		return true, nil
	case unix.EBUSY, unix.ENOENT: // what remains is removed by Sweep
		return false, nil
	}
	return false, &os.PathError{Op: "rmdir", Path: f.Name(), Err: err}
}

// unshareIn removes the shared cgroup in each parent in which none of our cgroups uses it: the
// owner of the last one was killed.
func unshareIn(parents []string) (removed []string, err error) {
	var errs []error
	for _, parent := range parents {
		path := filepath.Join(parent, unlimited)
		f, err := openOwn(path, false)
		gone := false
		if err == nil {
			gone, err = unshare(f)
		}
		if gone {
			removed = append(removed, path)
		}
		if !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return removed, errors.Join(errs...)
}
