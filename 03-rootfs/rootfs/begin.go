//go:build linux

package rootfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
)

// staging is where the new root is built. The tmpfs that is mounted here is seen in this mount namespace only.
const staging = "/tmp"

// A Rootfs is a root under construction. Its methods are the steps, to be called in the order of Steps.
type Rootfs struct {
	Spec
	// Overlay reports whether a layer in memory lies over the files, so that they can be written. If it is false
	// although Spec.ReadOnly is, overlayfs was refused for the reason in Refused, and they are bound read-only.
	Overlay bool
	Refused error
	// Exposed leaves out what Cover does, for lessons that show what that is good for.
	Exposed bool

	layers  []*os.File // Dir and Layers, as detached mounts
	volumes []*os.File // the sources of Spec.Volumes, likewise
	null    *os.File   // the host's null device, for Cover
}

// Begin makes the mount namespace safe to work in, picks up what comes from the host, and prepares the
// place where the root is built. s and files come from Sources, opened outside; Begin closes the files.
// Without files, it looks for what s names itself.
func Begin(s Spec, files ...*os.File) (r *Rootfs, err error) {
	// A container starts with the usual mask, whatever the mask of who starts it: with 077, /etc/passwd made below
	// would be closed to all users but root.
	unix.Umask(0o022)
	// Where systemd has made / shared, every mount below would show up on the host, and pivot_root would refuse (EINVAL).
	if err := namespace.MakePrivate(); err != nil {
		return nil, err
	}
	r = &Rootfs{Spec: s}
	// The tmpfs below hides what is under /tmp, which may well be an image or a volume. So they are picked up first.
	if err := r.pickUp(files); err != nil {
		return nil, err
	}
	if r.null, err = NullDevice(); err != nil {
		return nil, err
	}
	options := "mode=0755"
	if s.Size > 0 {
		options += ",size=" + strconv.FormatInt(s.Size, 10)
	}
	if err := mount("tmpfs", staging, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return nil, err
	}
	for _, dir := range []string{"root", "lower", "upper", "work"} {
		if err := mkdir(staging+"/"+dir, 0o755); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// pickUp has a detached mount of each layer and volume, in the end.
func (r *Rootfs) pickUp(files []*os.File) (err error) {
	src := &Sources{r.Spec, files}
	switch want := len(r.names()); {
	case len(files) == 0 && want > 0:
		if src, err = Open(r.Spec); err != nil {
			return err
		}
	case len(files) != want:
		return fmt.Errorf("rootfs: %d files for %d paths", len(files), want)
	case !r.Cloned:
		if err := src.reopen(); err != nil {
			return err
		}
	}
	if !src.Spec.Cloned {
		if err := src.clone(); err != nil {
			src.Close()
			return err
		}
	}
	layers := len(r.lower())
	r.layers, r.volumes = src.files[:layers], src.files[layers:]
	return nil
}

// PickUp takes the tree of mounts at path off the table, so to speak: a copy that is attached nowhere and is held by
// a descriptor (open_tree(2), OPEN_TREE_CLONE). AT_RECURSIVE takes the mounts below along. In a user namespace the
// kernel insists on that (EINVAL), for a mount may cover something that its owner wants covered.
// A copy made read-only is so all the way down (mount_setattr(2)): bind mounts made with MS_RDONLY leave what is
// mounted further below writable.
func PickUp(path string, readOnly bool) (int, error) { return pickUp(unix.AT_FDCWD, path, readOnly) }

// pickUp is PickUp of a path below the directory at, or of at itself if the path is empty.
func pickUp(at int, path string, readOnly bool) (int, error) {
	const clone = unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_RECURSIVE | unix.AT_EMPTY_PATH
	fd, err := unix.OpenTree(at, path, clone)
	if err != nil {
		return -1, &os.PathError{Op: "open_tree", Path: path, Err: err}
	}
	// The copy of a shared mount is shared with it: what is mounted in one would appear in the other.
	attr := &unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if readOnly {
		attr.Attr_set = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr); err != nil {
		unix.Close(fd)
		return -1, &os.PathError{Op: "mount_setattr", Path: path, Err: err}
	}
	return fd, nil
}

// PutDown attaches what PickUp took to an existing file or directory (move_mount(2)), and closes the descriptor.
func PutDown(fd int, path string) error {
	return attach(os.NewFile(uintptr(fd), path), path)
}

// attach is PutDown of a mount that a file holds, and closes the file.
func attach(f *os.File, path string) error {
	defer f.Close()
	if err := unix.MoveMount(int(f.Fd()), "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: path, Err: err}
	}
	return nil
}

// escaped is a path as it must stand in overlayfs's options, where colons part layers and commas part options.
func escaped(path string) string { return escaper.Replace(path) }

var escaper = strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`)

// Memory mounts a new, empty file system on dir that lives in memory: tmpfs(5).
func Memory(dir string) error {
	return mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755")
}

// ReadOnlyRoot makes the root itself read-only; what is mounted below, /dev and the volumes, stays as it is.
func ReadOnlyRoot() error {
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return &os.PathError{Op: "mount_setattr read-only", Path: "/", Err: err}
	}
	return nil
}

// mount is mount(2) with an error that says what was mounted where.
func mount(source, target, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		op := "mount"
		if fstype != "" {
			op = "mount " + fstype + " on"
		}
		return &os.PathError{Op: op, Path: target, Err: err}
	}
	return nil
}

func mkdir(path string, mode uint32) error {
	if err := unix.Mkdir(path, mode); err != nil && err != unix.EEXIST {
		return &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

func symlink(target, path string) error {
	if err := unix.Symlink(target, path); err != nil && err != unix.EEXIST {
		return &os.PathError{Op: "symlink", Path: path, Err: err}
	}
	return nil
}

// write makes a file, in place of the one that may be there: an image's /etc/resolv.conf is often a link, and to write
// through it would be to write wherever the image wants. Three calls; os.WriteFile takes more.
func write(path, text string) error {
	if err := unix.Unlink(path); err == unix.EISDIR {
		return &os.PathError{Op: "replace what the image has at", Path: path, Err: err}
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &os.PathError{Op: "create", Path: path, Err: err}
	}
	_, err = unix.Write(fd, []byte(text))
	if e := unix.Close(fd); err == nil {
		err = e
	}
	if err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// Pivot makes the root that was built the root of this mount namespace, and lets go of the old one.
func (r *Rootfs) Pivot() error { return PivotRoot(".") }

// Cover covers what the tables say, and makes the root read-only if it should be.
func (r *Rootfs) Cover() error {
	defer r.null.Close()
	if !r.Exposed {
		if err := Cover(r.null, Names(Masked), Names(ReadOnlyPaths)); err != nil {
			return err
		}
	}
	if r.ReadOnly {
		return ReadOnlyRoot()
	}
	return nil
}
