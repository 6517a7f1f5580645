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

// New creates a directory in $TMPDIR that only this user can enter. Its path has no symbolic links,
// because a process with its own root would follow them elsewhere. New returns an error if another
// user can redirect the path.
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
		// Another program removed it between mkdir and lock, as a leftover. Try another name.
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.ENOENT) {
			tmp.Close()
			return nil, err
		}
	}
	tmp.Close()
	return nil, fmt.Errorf("create a temporary directory in %s: "+
		"another process removes each directory immediately", tmp.Name())
}

// lock takes the lock of the directory called name in tmp. The kernel releases the lock when the
// process exits, for whatever reason (flock(2)). The file descriptor has O_CLOEXEC, or a child
// would inherit it and hold the lock after we exit. EPERM means that another user owns the
// directory or can write to it, so it can change while we walk it. ENOENT means that another
// process has removed it.
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

// take locks the directory fd, after a check that only we own it and write to it: we never take the
// lock of another user's directory.
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

// Join returns a path in the directory.
func (d *Dir) Join(elem ...string) string { return filepath.Join(append([]string{d.Path}, elem...)...) }

// Remove removes the directory and its contents. It never enters another mount, not even a bind
// mount of the same disk, because the mounted files are not ours. A second call has no effect.
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

// release releases the lock.
func (d *Dir) release() {
	d.file.Close()
	d.tmp.Close()
	d.file, d.tmp = nil, nil
}

// empty removes everything in the directory fd. path is only for messages.
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
	// A directory of an image can deny its owner write or all access, as overlay's work directory
	// does. It is ours, so change its mode.
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
		if err != unix.EISDIR && err != unix.EPERM { // EPERM is POSIX's EISDIR; EBUSY: a mount
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

// openUp gives us full access to a directory that we possibly can't read. fchmodat(2) would
// follow a link that another process has put in its place. The path via the file descriptor leads
// to this directory.
func openUp(fd int, name string) error {
	dir, err := openIn(fd, name, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", dir), 0o700)
}

// openIn opens a directory. It fails at a mount point (EXDEV) and at a link (ELOOP): openat2(2).
func openIn(fd int, name string, flags uint64) (int, error) {
	return unix.Openat2(fd, name, &unix.OpenHow{
		Flags:   flags | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH,
	})
}

// SweepIfAny is Sweep for a program that does not need a temporary directory. An unusable $TMPDIR
// is not an error, because then it contains none of our directories.
func SweepIfAny() error {
	_, err := Sweep()
	if errors.Is(err, ErrPlace) {
		return nil
	}
	return err
}

// Sweep removes the directories whose owners have exited, as after kill -9, and returns their
// paths. It ignores directories that other users own or can write to: in /tmp, any user can create
// such a name.
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

// sweepOne removes a directory unless its owner still runs, or the directory is not ours.
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
