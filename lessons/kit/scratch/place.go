//go:build linux

package scratch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrPlace is the error if $TMPDIR, or /tmp without it, is no directory in which temporary files can
// be created.
var ErrPlace = errors.New("set TMPDIR to another directory, such as /tmp")

// Place returns the directory for temporary files ($TMPDIR) by a path that is absolute and leads
// through no link. filepath.Abs comes first: it takes the working directory as $PWD names it, and
// that name can lead through a link.
func Place() (string, error) {
	path, err := filepath.Abs(os.TempDir())
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", unusable(err)
	}
	st, err := os.Stat(path)
	if err == nil && !st.IsDir() {
		err = unix.ENOTDIR
	}
	if err != nil {
		return "", unusable(err)
	}
	return path, nil
}

// unusable is an ErrPlace that says what $TMPDIR holds and why it does not do.
func unusable(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		err = number // without the path of the call: it is TMPDIR's, or one below
	}
	return fmt.Errorf("no temporary directory in TMPDIR=%s: %w: %w", os.TempDir(), err, ErrPlace)
}

// openTemp opens $TMPDIR, by a path that keeps leading there: see stable.
func openTemp() (*os.File, error) {
	path, err := Place()
	if err != nil {
		return nil, err
	}
	if err := stable(path); err != nil {
		return nil, err
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, unusable(err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// stable returns an error if another user could put a directory or a link in the place of one on
// the path: it is writable for others without the sticky bit, which keeps them from renaming what
// is not theirs (inode(7)), or it belongs to one. What lies below a directory that is closed to
// others is out of their reach, whatever its mode.
func stable(path string) error {
	for _, dir := range prefixes(path) {
		var st unix.Stat_t
		if err := unix.Lstat(dir, &st); err != nil {
			return &os.PathError{Op: "lstat", Path: dir, Err: err}
		}
		why := ""
		switch {
		case !trusted(int(st.Uid)):
			why = fmt.Sprintf("belongs to user %d", st.Uid)
		case st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0:
			why = fmt.Sprintf("can be written by other users (mode %04o)", st.Mode&0o7777)
		case st.Mode&0o077 == 0:
			return nil
		}
		if why != "" {
			return fmt.Errorf("the directory for temporary files, %s, is not safe: %s %s: "+
				"set TMPDIR to another one, such as /tmp with mode 1777", path, dir, why)
		}
	}
	return nil
}

// prefixes are the directories on an absolute path, from / down to the path itself.
func prefixes(path string) []string {
	list := []string{"/"}
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			list = append(list, path[:i])
		}
	}
	if path != "/" {
		list = append(list, path)
	}
	return list
}

// trusted reports whether a directory of this user's changes only as we like: it is ours, or
// root's. In a user namespace the host's root has no number of its own, and is shown as the
// overflow user (user_namespaces(7)), as are other users.
func trusted(uid int) bool {
	const overflow = 65534
	return uid == 0 || uid == os.Geteuid() || uid == overflow && !initialUsers()
}

// initialUsers reports whether every user has a number here.
func initialUsers() bool {
	inside, outside, count := uidMap()
	return inside == 0 && outside == 0 && count == 1<<32-1
}

// uidMap reads the first line of our own map. Without such a file the kernel has no user
// namespaces.
func uidMap() (inside, outside, count uint64) {
	raw, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return 0, 0, 1<<32 - 1
	}
	_, _ = fmt.Sscan(string(raw), &inside, &outside, &count)
	return inside, outside, count
}

// alone reports whether root in a container can only be ourselves: an ordinary user has no other
// IDs to give away, and in a user namespace that maps one ID (user_namespaces(7)), root has none
// either.
func alone() bool {
	_, _, count := uidMap()
	return os.Geteuid() != 0 || count == 1
}

// closedAbove returns the directory above path that other users cannot pass, "" if they can pass
// them all.
func closedAbove(path string) (string, error) {
	for _, dir := range prefixes(filepath.Dir(path)) {
		st, err := os.Stat(dir)
		if err != nil {
			return "", err
		}
		if st.Mode()&0o001 == 0 {
			return dir, nil
		}
	}
	return "", nil
}

// local reports whether name is a single name: what is created in a directory lies in that
// directory.
func local(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/")
}
