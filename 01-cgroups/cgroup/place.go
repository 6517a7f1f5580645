//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// place names the directory that contains all our cgroups, one in each hierarchy, below the cgroup
// that this process is in (v1) or that it can manage (v2). It is created for the first cgroup and
// removed with the last one. So a cleanup looks only at our cgroups, however many others the host
// has.
//
// A shared parent also counts as one cgroup where cgroups compete: all of ours together have the
// CPU weight of one.
const place = "containerkit"

// closed is the mode of the place and of the cgroups in it. flock(2) needs an open directory, and
// opening one needs read permission. Other users don't have it, so they can't hold a lock that we
// wait for. They can still pass through, to a cgroup that was delegated to them.
const closed = 0o711

// openPlace opens the place in parent, and creates it on request.
func openPlace(parent string, create bool) (*os.File, error) {
	return openOwn(filepath.Join(parent, place), create)
}

// openOwn opens one of our directories, and creates it on request. It never follows a symbolic
// link, and it rejects a directory of another user: on v1, systemd lets users own parts of its own
// hierarchy.
func openOwn(path string, create bool) (*os.File, error) {
	f, err := openDirAt(unix.AT_FDCWD, path, path)
	if create && errors.Is(err, unix.ENOENT) {
		if err := unix.Mkdir(path, closed); err != nil && err != unix.EEXIST {
			return nil, &os.PathError{Op: "mkdir", Path: path, Err: err}
		}
		if f, err = openDirAt(unix.AT_FDCWD, path, path); errors.Is(err, unix.ENOENT) {
			return nil, errNotYet // another process has just removed its last cgroup
		}
	}
	if err != nil {
		return nil, err
	}
	owner, err := ownerOf(f)
	if err == nil && owner != os.Geteuid() {
		const text = "cgroup: %s belongs to user %d, not to user %d: remove it (rmdir)"
		err = fmt.Errorf(text, path, owner, os.Geteuid())
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// openDirAt opens a directory, not a link to one. Errors name it by path.
func openDirAt(at int, name, path string) (*os.File, error) {
	flags := unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(at, name, flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func ownerOf(f *os.File) (uid int, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return int(st.Uid), nil
}

// base returns the directory whose place is locked: the freezer's on v1, where each of our cgroups
// has a directory.
func (h *Hierarchy) base() string {
	if h.Version == V2 {
		return h.Root
	}
	return h.Parents["freezer"]
}

// lock ensures that only one process at a time creates, removes or cleans up cgroups here. It locks
// the place, which no other user can open. Closing the file releases the lock. Without create, a
// missing place is ErrNotExist.
func (h *Hierarchy) lock(create bool) (f *os.File, err error) {
	err = retry(func() error {
		if f, err = openPlace(h.base(), create); err != nil {
			return err
		}
		// A cleanup holds it while it kills what other processes left behind, cgroup after cgroup.
		if err := flock(f, 6*patience); err != nil {
			return err
		}
		if exists(f) {
			return nil
		}
		_ = f.Close()
		return errNotYet
	}, errNotYet, 6*patience)
	return f, err
}

// exists reports whether an open directory is still at its path. While we waited for the lock, the
// last cgroup may have been removed, and the place with it.
func exists(f *os.File) bool {
	var ours, there unix.Stat_t
	err1, err2 := unix.Fstat(int(f.Fd()), &ours), unix.Lstat(f.Name(), &there)
	return err1 == nil && err2 == nil && ours.Ino == there.Ino
}

// flock waits for the lock of an open directory. It closes the directory if another process keeps
// the lock for too long.
func flock(f *os.File, wait time.Duration) error {
	try := func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
	err := retry(try, unix.EWOULDBLOCK, wait)
	if err == nil {
		return nil
	}
	_ = f.Close()
	if err == unix.EWOULDBLOCK {
		const who = "lslocks -o PID,COMMAND,PATH shows which"
		return fmt.Errorf("cgroup: another process has held the lock of %s for %v (%s)", f.Name(), wait, who)
	}
	return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
}

// mkdir creates the cgroup's directory in the place below parent; on v1, for one controller.
func (g *Group) mkdir(controller, parent string) error {
	dir := filepath.Join(parent, g.Name)
	for _, made := range g.dirs { // cpu and cpuacct are usually one hierarchy, with one directory
		if made == dir {
			g.dirs[controller] = dir
			return nil
		}
	}
	err := retry(func() error {
		at, err := openPlace(parent, true)
		if err != nil {
			return err
		}
		defer at.Close()
		err = unix.Mkdirat(int(at.Fd()), filepath.Base(dir), closed)
		if err == unix.ENOENT {
			return errNotYet // the place was removed while we had it open
		}
		return err
	}, errNotYet, patience)
	if err != nil {
		return fmt.Errorf("cgroup: mkdir %s: %w", dir, err)
	}
	g.dirs[controller] = dir
	return nil
}

// own locks the cgroup: it is in use as long as this process runs. The kernel drops the lock when
// we exit, for whatever reason, and close-on-exec keeps it from our children.
func (g *Group) own(dir string) (err error) {
	if g.owner, err = openDirAt(unix.AT_FDCWD, dir, dir); err != nil {
		return err
	}
	return flock(g.owner, patience)
}

// removeAt removes a cgroup and the cgroups below it, children first. Only rmdir(2) removes a
// cgroup, and only an empty one. The files in it belong to the kernel: unlinking them is neither
// needed nor allowed.
func removeAt(at int, name, path string) error {
	err := unix.Unlinkat(at, name, unix.AT_REMOVEDIR)
	if err == nil || err == unix.ENOENT { // usual: no process is in it, and no cgroup below it
		return nil
	}
	dir, err := openDirAt(at, name, path)
	if err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	}
	defer dir.Close()
	below, err := subdirs(dir)
	if err != nil {
		return err
	}
	for _, sub := range below {
		if err := removeAt(int(dir.Fd()), sub, filepath.Join(path, sub)); err != nil {
			return err
		}
	}
	// EBUSY: a killed process has not quite exited yet.
	rmdir := func() error { return unix.Unlinkat(at, name, unix.AT_REMOVEDIR) }
	err = retry(rmdir, unix.EBUSY, patience)
	if err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "rmdir", Path: path, Err: err}
	}
	return nil
}

// removeTree removes a cgroup as removeAt does, by a path that only we or the system can change.
func removeTree(dir string) error { return removeAt(unix.AT_FDCWD, dir, dir) }

// subdirs lists the directories in an open directory.
func subdirs(dir *os.File) (names []string, err error) {
	entries, err := dir.ReadDir(-1)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// leave removes the places if the last cgroup is gone. The caller must hold the lock.
func (h *Hierarchy) leave(parents []string) error {
	var errs []error
	for _, parent := range parents {
		err := unix.Rmdir(filepath.Join(parent, place))
		if err == unix.EBUSY && h.Version == V2 {
			err = h.restore()
		}
		if err != nil && err != unix.EBUSY && err != unix.ENOENT {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// parentsOf lists the parents of a cgroup's directories, which are in the places below them. The
// locked parent is last.
func (g *Group) parentsOf() (parents []string) {
	for _, dir := range g.all() {
		if parent := strings.TrimSuffix(dir, "/"+g.Name); parent != g.h.base() {
			parents = append(parents, parent)
		}
	}
	return append(parents, g.h.base())
}
