//go:build linux

package rootfs

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Sources are the files of the host that a Spec names: its layers, then its volumes' sources. Open
// finds each of them once, and from then on only its file descriptor counts. So a process that
// swaps a symbolic link on the way, between our check and our use of the path, gains nothing.
type Sources struct {
	// Spec has the paths at which Open found them, without symbolic links. It goes to Begin,
	// along with Files.
	Spec  Spec
	files []*os.File
}

// Open finds the files that s names. Call it outside, before the container's mount namespace
// exists. Its errors say what cannot work: a source that is missing, or a layer that is no
// directory or has another file system mounted in it. Who opens Sources closes them.
func Open(s Spec) (_ *Sources, err error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	src := &Sources{Spec: s}
	src.Spec.Cloned = false // nothing is, yet
	defer func() {
		if err != nil {
			src.Close()
		}
	}()
	src.Spec.Layers, src.Spec.Volumes = slices.Clone(s.Layers), slices.Clone(s.Volumes)
	for _, n := range src.Spec.names() {
		f, err := n.open(&unix.OpenHow{})
		if err != nil {
			return nil, err
		}
		src.files = append(src.files, f)
		// Where that is, whatever links led there: so Begin follows none.
		if *n.path, err = os.Readlink(fdPath(f)); err != nil {
			return nil, err
		}
		if n.layer {
			if err := noSubmounts(*n.path); err != nil {
				return nil, err
			}
		}
	}
	return src, nil
}

// Files are the descriptors, in the order in which Begin wants them. They can travel as inherited
// descriptors or over a socket (unix(7), SCM_RIGHTS). They belong to the Sources.
func (s *Sources) Files() []*os.File { return s.files }

// Close closes the descriptors; a mount that is attached nowhere goes with its descriptor.
func (s *Sources) Close() {
	for _, f := range s.files {
		_ = f.Close()
	}
	s.files = nil
}

// Clone turns the descriptors into mounts that are attached nowhere, so Begin needs no path and
// no permission on the way there. That takes CAP_SYS_ADMIN over our mount namespace. Without it,
// as an ordinary user, the Sources stay as they are: Begin opens the paths again, in its own
// mount namespace (the kernel clones no mount of another one), and refuses all but the same
// files.
func (s *Sources) Clone() error {
	err := s.clone()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) {
		return nil // Begin tries again, and has the last word
	}
	return err
}

func (s *Sources) clone() error {
	mounts := make([]*os.File, 0, len(s.files))
	for i, n := range s.Spec.names() {
		fd, err := pickUp(int(s.files[i].Fd()), "", n.readOnly)
		if err != nil {
			(&Sources{files: mounts}).Close()
			return fmt.Errorf("%s %s: %w", n.kind, *n.path, err)
		}
		mounts = append(mounts, os.NewFile(uintptr(fd), *n.path))
	}
	s.Close()
	s.files, s.Spec.Cloned = mounts, true
	return nil
}

// A name is one of the paths in a Spec.
type name struct {
	kind     string // as an error calls it
	path     *string
	layer    bool
	readOnly bool
}

// names lists the paths in a Spec, in the order of Sources.Files.
func (s *Spec) names() (names []name) {
	if s.Dir != "" {
		names = append(names, name{"rootfs", &s.Dir, true, true})
	}
	for i := range s.Layers {
		names = append(names, name{"rootfs", &s.Layers[i], true, true})
	}
	for i := range s.Volumes {
		v := &s.Volumes[i]
		names = append(names, name{"volume", &v.Source, false, v.ReadOnly})
	}
	return names
}

// open opens the path, for its descriptor to be used in the place of its name: O_PATH of open(2).
func (n name) open(how *unix.OpenHow) (*os.File, error) {
	how.Flags |= unix.O_PATH | unix.O_CLOEXEC
	if n.layer {
		how.Flags |= unix.O_DIRECTORY
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, *n.path, how)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", n.kind, *n.path, err)
	}
	return os.NewFile(uintptr(fd), *n.path), nil
}

// reopen finds the files again in our own mount namespace, once, and takes the new descriptors in
// the place of the old ones if they lead to the same files.
func (s *Sources) reopen() error {
	found := &Sources{}
	for i, n := range s.Spec.names() {
		// Open has followed all links. One that is there now was put there since.
		f, err := n.open(&unix.OpenHow{Resolve: unix.RESOLVE_NO_SYMLINKS})
		if err != nil {
			found.Close()
			return fmt.Errorf("%w (it was there a moment ago, when it was checked)", err)
		}
		found.files = append(found.files, f)
		if err := same(s.files[i], f); err != nil {
			found.Close()
			return fmt.Errorf("%s %s: %w", n.kind, *n.path, err)
		}
	}
	s.Close()
	s.files = found.files
	return nil
}

// same returns an error unless two descriptors lead to the same file, by mounts with the same
// flags: what the host shows read-only here must not come in by a place where it is writable.
// (stat(2), statfs(2).)
func same(checked, found *os.File) error {
	a, aFlags, err := identity(checked)
	if err != nil {
		return err
	}
	b, bFlags, err := identity(found)
	if err != nil {
		return err
	}
	if a.Dev != b.Dev || a.Ino != b.Ino || aFlags != bFlags {
		return errors.New("this is no longer the file that was checked: " +
			"something has put another one in its place")
	}
	return nil
}

func identity(f *os.File) (st unix.Stat_t, flags int64, err error) {
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return st, 0, os.NewSyscallError("fstat", err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		return st, 0, os.NewSyscallError("fstatfs", err)
	}
	return st, int64(fs.Flags), nil
}

// fdPath is a path that leads to what the descriptor holds: proc_pid_fd(5).
func fdPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
