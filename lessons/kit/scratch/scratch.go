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
	file *os.File
}

// New makes a directory below $TMPDIR that only this user can enter. Its path leads through no link: inside a root of its
// own, a process would follow one to somewhere else.
func New() (*Dir, error) {
	tmp, err := filepath.EvalSymlinks(os.TempDir())
	if err != nil {
		return nil, err
	}
	for range 100 {
		path, err := os.MkdirTemp(tmp, prefix)
		if err != nil {
			return nil, err
		}
		d, err := lock(path)
		if err == nil {
			return d, nil
		}
		// A sweeper that came between mkdir and lock took it for a dead one. Another name, then.
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.ENOENT) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("make a temporary directory in %s: somebody removes them as fast as they are made", os.TempDir())
}

// lock takes the lock of a directory, which the kernel drops when the process ends, however it ends (flock(2)).
// O_CLOEXEC, or a child would inherit it and hold the lock when we are gone. ENOENT: it has been removed meanwhile.
func lock(path string) (*Dir, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err == nil && st.Nlink == 0 {
		err = unix.ENOENT
	}
	if err == nil && int(st.Uid) != os.Geteuid() {
		err = unix.EPERM // somebody else's, and in their hands it may change while we walk it
	}
	if err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return &Dir{path, f}, nil
}

// Join is a path inside the directory.
func (d *Dir) Join(elem ...string) string { return filepath.Join(append([]string{d.Path}, elem...)...) }

// Share lets everybody enter the directory and write there: root in a container is not who made it. It is an error if a
// directory above is closed to others, for then nobody gets there, whatever the mode of this one.
func (d *Dir) Share() error {
	if err := os.Chmod(d.Path, 0o777); err != nil {
		return err
	}
	if alone() {
		return nil
	}
	for dir := filepath.Dir(d.Path); ; dir = filepath.Dir(dir) {
		st, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if st.Mode()&0o001 == 0 {
			return fmt.Errorf("the directory for temporary files, %s, cannot be entered by others, as %s is closed to them: set TMPDIR to one that can, such as /tmp", filepath.Dir(d.Path), dir)
		}
		if dir == "/" {
			return nil
		}
	}
}

// alone tells whether root in a container can only be ourselves: an ordinary user has no other IDs to give away, and in a
// user namespace that maps one ID (user_namespaces(7)), root has none either.
func alone() bool {
	raw, _ := os.ReadFile("/proc/self/uid_map") // no file: no user namespaces
	var inside, outside, count uint64
	_, err := fmt.Sscan(string(raw), &inside, &outside, &count)
	return os.Geteuid() != 0 || err == nil && count == 1
}

// Remove removes the directory and what is in it. It never crosses into another file system, not even one that is
// bound from the same disk: what is mounted there is not ours to delete. It may be called twice.
func (d *Dir) Remove() error {
	if d.file == nil {
		return nil
	}
	err := empty(int(d.file.Fd()), d.Path)
	if err == nil {
		err = os.Remove(d.Path)
	}
	d.file.Close()
	d.file = nil
	return err
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
	// Any directory of an image may be closed to its owner, for writing or altogether, as overlay's work directory is. It is
	// ours: open it up.
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

// openUp gives us all rights to a directory that we may not even read. fchmodat(2) would follow a link that somebody has put
// in its place meanwhile; by way of its descriptor it is this one.
func openUp(fd int, name string) error {
	dir, err := openIn(fd, name, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", dir), 0o700)
}

// openIn opens a directory, and refuses to pass a mount point (EXDEV) or a link (ELOOP): openat2(2).
func openIn(fd int, name string, flags uint64) (int, error) {
	return unix.Openat2(fd, name, &unix.OpenHow{
		Flags:   flags | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH,
	})
}

// Sweep removes the directories whose owners are dead, as after kill -9, and returns their paths.
func Sweep() (removed []string, err error) {
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		d, err := lock(filepath.Join(os.TempDir(), e.Name()))
		if err != nil {
			continue // its owner lives, or it is not ours
		}
		if err := d.Remove(); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, d.Path)
	}
	return removed, errors.Join(errs...)
}
