//go:build linux

package initproc

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// lookup finds a command as a shell does: a name with a slash is a path, and any other name is
// searched for in the PATH of env. (os/exec would use the PATH of this process.) The error is
// ENOENT only if the kernel reported for every entry of PATH that the command is not there.
func lookup(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v
		}
	}
	var err error = unix.ENOENT
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "." // an empty entry of PATH is the working directory
		}
		file := dir + "/" + name
		var st unix.Stat_t
		switch e := unix.Stat(file, &st); e {
		case nil:
		case unix.ENOENT, unix.ENOTDIR, unix.EACCES:
			continue // not there, or no access, for example to the caller's home directory
		default:
			err = e // it can be there: a lack of memory, for example, hides it
			continue
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			continue
		}
		if unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS) == nil {
			return file, nil
		}
		err = unix.EACCES // found, but not executable: continue the search
	}
	return "", &os.PathError{Op: "find in PATH", Path: name, Err: err}
}
