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

// ErrPlace reports that $TMPDIR, or /tmp without it, is not a directory in which temporary files
// can be created.
var ErrPlace = errors.New("set TMPDIR to another directory, such as /tmp")

// Place returns the directory for temporary files ($TMPDIR) as an absolute path without symbolic
// links. It calls filepath.Abs first, because that takes the working directory from $PWD, which can
// contain a link.
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

// unusable returns an ErrPlace that names the value of $TMPDIR and the reason.
func unusable(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		err = number // without the path of the call, which is TMPDIR or is in it
	}
	return fmt.Errorf("no temporary directory in TMPDIR=%s: %w: %w", os.TempDir(), err, ErrPlace)
}

// openTemp opens $TMPDIR by a path that other users cannot redirect: see stable.
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

// stable returns an error if another user can replace a directory of the path with another one or
// with a link. That is possible if a directory belongs to another user, or if others can write to
// it and it has no sticky bit, which prevents renaming the files of others (inode(7)). Below a
// directory that others cannot search, they reach nothing, whatever its mode is.
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

// prefixes returns the directories of an absolute path, from / down to the path itself.
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

// trusted reports whether the owner uid of a directory cannot be an attacker: it is our user, or
// root. In a user namespace, the host's root is often not mapped, and appears as the overflow user,
// as other users do (user_namespaces(7)).
func trusted(uid int) bool {
	const overflow = 65534
	return uid == 0 || uid == os.Geteuid() || uid == overflow && !initialUsers()
}

// initialUsers reports whether all UIDs are mapped to themselves, as in the initial user namespace.
func initialUsers() bool {
	inside, outside, count := uidMap()
	return inside == 0 && outside == 0 && count == 1<<32-1
}

// uidMap returns the first line of our UID mapping. A kernel without user namespaces does not have
// the file.
func uidMap() (inside, outside, count uint64) {
	raw, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return 0, 0, 1<<32 - 1
	}
	_, _ = fmt.Sscan(string(raw), &inside, &outside, &count)
	return inside, outside, count
}

// alone reports whether root in a container can only map to our own user: an ordinary user has no
// other IDs for the mapping, nor has root in a user namespace that maps one ID
// (user_namespaces(7)).
func alone() bool {
	_, _, count := uidMap()
	return os.Geteuid() != 0 || count == 1
}

// closedAbove returns the parent directory of path that other users cannot search, "" if they can
// search all of them.
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

// local reports whether name is a single path component, so that the file is created in the
// directory itself.
func local(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/")
}
