//go:build linux

package scratch

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// AllowSearch lets other users pass through the directory to a path that they know: root in a
// container is not who created it. They can neither list it nor write in it, so what is created in
// it stays where it is, and its paths are safe to use. It is an error if a directory above is
// closed to others, because then no other user gets here.
func (d *Dir) AllowSearch() error {
	if err := d.file.Chmod(0o711); err != nil {
		return err
	}
	if alone() {
		return nil
	}
	closed, err := closedAbove(d.Path)
	if err == nil && closed != "" {
		err = fmt.Errorf("the directory for temporary files, %s, cannot be entered by others, "+
			"as %s is closed to them: set TMPDIR to one that can, such as /tmp", filepath.Dir(d.Path), closed)
	}
	return err
}

// Create creates a file in the directory, for reading and writing: see CreateIn.
func (d *Dir) Create(name string, mode os.FileMode) (*os.File, error) {
	return CreateIn(d.file, name, mode)
}

// CreateIn creates a file in an open directory, whatever the umask says of its mode, and opens it
// for reading and writing. The directory can be one that others write: O_EXCL takes no file and no
// link that is there already, and the mode is set on the descriptor, not on what the name leads to
// by then (openat(2), fchmod(2)).
func CreateIn(dir *os.File, name string, mode os.FileMode) (*os.File, error) {
	path := filepath.Join(dir.Name(), name)
	if !local(name) {
		return nil, &os.PathError{Op: "create", Path: path, Err: unix.EINVAL}
	}
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), name, flags, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: path, Err: err}
	}
	return withMode(os.NewFile(uintptr(fd), path), mode)
}

// Mkdir creates a directory in the directory, whatever the umask says of its mode, and opens it.
func (d *Dir) Mkdir(name string, mode os.FileMode) (*os.File, error) {
	path := d.Join(name)
	if !local(name) {
		return nil, &os.PathError{Op: "mkdir", Path: path, Err: unix.EINVAL}
	}
	if err := unix.Mkdirat(int(d.file.Fd()), name, 0o700); err != nil {
		return nil, &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	fd, err := openIn(int(d.file.Fd()), name, unix.O_RDONLY)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return withMode(os.NewFile(uintptr(fd), path), mode)
}

// withMode sets the mode of what is open, or closes it.
func withMode(f *os.File, mode os.FileMode) (*os.File, error) {
	if err := f.Chmod(mode); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
