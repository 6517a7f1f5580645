//go:build linux

package scratch

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// AllowSearch lets other users pass through the directory to a path that they know: root in a
// container can be another user than its creator. They can neither list it nor write to it, so no
// other user moves its files, and its paths are safe to use. It returns an error if others cannot
// search a parent directory, because then they cannot reach this one.
func (d *Dir) AllowSearch() error {
	if err := d.file.Chmod(0o711); err != nil {
		return err
	}
	if alone() {
		return nil
	}
	closed, err := closedAbove(d.Path)
	if err == nil && closed != "" {
		err = fmt.Errorf("other users cannot enter the directory for temporary files, %s, "+
			"because they cannot search %s: set TMPDIR to another directory, such as /tmp",
			filepath.Dir(d.Path), closed)
	}
	return err
}

// Create creates a file in the directory and opens it for reading and writing: see CreateIn.
func (d *Dir) Create(name string, mode os.FileMode) (*os.File, error) {
	return CreateIn(d.file, name, mode)
}

// CreateIn creates a file in an open directory with this mode, whatever the umask is, and opens it
// for reading and writing. Other users can have write access to the directory: with O_EXCL, openat
// fails if the file or a link already exists, and fchmod sets the mode of the file descriptor,
// because the name can lead elsewhere by then (openat(2), fchmod(2)).
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

// Mkdir creates a directory in the directory with this mode, whatever the umask is, and opens it.
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

// withMode sets the mode of an open file or directory, and closes it on an error.
func withMode(f *os.File, mode os.FileMode) (*os.File, error) {
	if err := f.Chmod(mode); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
