//go:build linux

package scratch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const prefix = "containerkit-scratch-"

// A Dir is a temporary directory with an owner: the process that holds its lock.
type Dir struct {
	Path string
	file *os.File // the directory, which holds the lock
	tmp  *os.File // the directory above
}

// New creates a directory below $TMPDIR that only this user can enter. Its path leads through no
// link: inside a root of its own, a process would follow one to somewhere else. It is an error if
// another user could change where the path leads.
func New() (*Dir, error) {
	tmp, err := openTemp()
	if err != nil {
		return nil, err
	}
	for range 100 {
		path, err := os.MkdirTemp(tmp.Name(), prefix)
		if err != nil {
			tmp.Close()
			return nil, unusable(err)
		}
		d, err := lock(tmp, filepath.Base(path))
		if err == nil {
			return d, nil
		}
		// A sweeper that came between mkdir and lock took it for a dead one. Another name, then.
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.ENOENT) {
			tmp.Close()
			return nil, err
		}
	}
	tmp.Close()
	return nil, fmt.Errorf("create a temporary directory in %s: "+
		"another process removes each as soon as it exists", tmp.Name())
}

// lock takes the lock of the directory called name in tmp. The kernel drops the lock when the
// process exits, for whatever reason (flock(2)). O_CLOEXEC, or a child would inherit it and hold
// the lock when we are gone. EPERM: it is another user's, or others can write it, so it can change
// while we walk it. ENOENT: it has been removed in the meantime.
func lock(tmp *os.File, name string) (*Dir, error) {
	path := filepath.Join(tmp.Name(), name)
	fd, err := openIn(int(tmp.Fd()), name, unix.O_RDONLY)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if err := take(fd); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return &Dir{path, f, tmp}, nil
}

// take checks that the directory behind fd is ours alone, before it locks it: another user's lock
// is none of our business.
func take(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return unix.EPERM
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Nlink == 0 {
		return unix.ENOENT
	}
	return nil
}

// Join is a path inside the directory.
func (d *Dir) Join(elem ...string) string { return filepath.Join(append([]string{d.Path}, elem...)...) }

// Remove removes the directory and what is in it. It never crosses into another file system, not
// even one that is bound from the same disk: what is mounted there is not ours to delete. It may be
// called twice.
func (d *Dir) Remove() error {
	if d.file == nil {
		return nil
	}
	err := empty(int(d.file.Fd()), d.Path)
	if err == nil {
		err = unix.Unlinkat(int(d.tmp.Fd()), filepath.Base(d.Path), unix.AT_REMOVEDIR)
		if err != nil {
			err = &os.PathError{Op: "remove", Path: d.Path, Err: err}
		}
	}
	d.release()
	return err
}

// release drops the lock.
func (d *Dir) release() {
	d.file.Close()
	d.tmp.Close()
	d.file, d.tmp = nil, nil
}

// empty removes everything in the directory behind fd, whose path is for messages only.
func empty(fd int, path string) error {
	dir, err := openIn(fd, ".", unix.O_RDONLY)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(dir), path)
	names, err := f.Readdirnames(-1)
	f.Close()
	if err != nil {
		return err
	}
	// Any directory of an image may be closed to its owner, for writing or altogether, as overlay's
	// work directory is. It is ours: open it up.
	opened := false
	unlink := func(name string, flags int) error {
		err := unix.Unlinkat(fd, name, flags)
		if err == unix.EACCES && !opened {
			opened = true
			if unix.Fchmod(fd, 0o700) == nil {
				err = unix.Unlinkat(fd, name, flags)
			}
		}
		return err
	}
	var errs []error
	for _, name := range names {
		here := path + "/" + name
		err := unlink(name, 0)
		if err == nil {
			continue
		}
		if err != unix.EISDIR && err != unix.EPERM { // EPERM is POSIX's word for EISDIR; EBUSY: a mount
			errs = append(errs, &os.PathError{Op: "remove", Path: here, Err: err})
			continue
		}
		sub, err := openIn(fd, name, unix.O_RDONLY)
		if err == unix.EACCES {
			if err = openUp(fd, name); err == nil {
				sub, err = openIn(fd, name, unix.O_RDONLY)
			}
		}
		if err != nil {
			errs = append(errs, &os.PathError{Op: "remove", Path: here, Err: err})
			continue
		}
		err = empty(sub, here)
		unix.Close(sub)
		if err == nil {
			if e := unlink(name, unix.AT_REMOVEDIR); e != nil {
				err = &os.PathError{Op: "remove", Path: here, Err: e}
			}
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// openUp gives us all rights to a directory that we may not even read. fchmodat(2) would follow a
// link that another process has put in its place in the meantime; by way of its descriptor it is
// this one.
func openUp(fd int, name string) error {
	dir, err := openIn(fd, name, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", dir), 0o700)
}

// openIn opens a directory, and refuses to pass a mount point (EXDEV) or a link (ELOOP):
// openat2(2).
func openIn(fd int, name string, flags uint64) (int, error) {
	return unix.Openat2(fd, name, &unix.OpenHow{
		Flags:   flags | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH,
	})
}

// SweepIfAny is Sweep for a program that can do without a temporary directory. It is no error that
// $TMPDIR is not usable: then nothing of ours is in it.
func SweepIfAny() error {
	_, err := Sweep()
	if errors.Is(err, ErrPlace) {
		return nil
	}
	return err
}

// Sweep removes the directories whose owners are dead, as after kill -9, and returns their paths.
// It acts only on directories that are this user's alone: in /tmp any user can make up a name.
func Sweep() (removed []string, err error) {
	dir, err := openTemp()
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		path := filepath.Join(dir.Name(), name)
		gone, err := sweepOne(dir, name)
		errs = append(errs, err)
		if gone {
			removed = append(removed, path)
		}
	}
	return removed, errors.Join(errs...)
}

// sweepOne removes a directory unless its owner lives, or it is not ours.
func sweepOne(tmp *os.File, name string) (gone bool, err error) {
	fd, err := unix.FcntlInt(tmp.Fd(), unix.F_DUPFD_CLOEXEC, 0) // Remove closes it
	if err != nil {
		return false, os.NewSyscallError("fcntl(F_DUPFD_CLOEXEC)", err)
	}
	above := os.NewFile(uintptr(fd), tmp.Name())
	d, err := lock(above, name)
	if err != nil {
		above.Close()
		return false, nil
	}
	err = d.Remove()
	return err == nil, err
}
