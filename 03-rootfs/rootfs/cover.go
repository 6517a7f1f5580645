//go:build linux && !mine

package rootfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Cover hides the masked paths and makes the others read-only. A hidden file reads as empty, being the null device; a hidden
// directory is an empty one. What this kernel does not have needs no cover. Call it in the new root, after Pivot, with what
// NullDevice returned before: the name /dev/null may lead to something of the image's by now. Cover closes null.
//
// Covering is done by mounting over it, so it holds only for who cannot unmount it: who has CAP_SYS_ADMIN inside can.
// Stage 05 takes that capability away.
func Cover(null *os.File, masked, readOnly []string) error {
	defer null.Close()
	file, dir := "", "" // one empty file and one empty directory are enough, and shown in every place
	for _, path := range masked {
		// A directory refuses to be covered by a file (ENOTDIR), but not before the kernel has made the mount, and to
		// undo one it waits until all CPUs have seen it go: a stat(2) first is a hundred times cheaper.
		var st unix.Stat_t
		err := unix.Lstat(path, &st)
		isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
		switch {
		case err == unix.ENOENT:
			continue
		case err != nil:
		case isDir && dir == "":
			dir = path
			err = unix.Mount("tmpfs", path, "tmpfs", harmless|unix.MS_RDONLY, "nr_inodes=1,mode=0555")
		case isDir:
			err = unix.Mount(dir, path, "", unix.MS_BIND, "") // takes its flags along, read-only among them
		case file == "":
			file = path
			err = attach(null, path) // a mount can be attached once, and is bound from there
		default:
			err = unix.Mount(file, path, "", unix.MS_BIND, "")
		}
		if err != nil {
			return &os.PathError{Op: "cover", Path: path, Err: err}
		}
	}
	for _, path := range readOnly {
		// Only a mount can be read-only, so the path is made one by binding it onto itself.
		if err := BindReadOnly(path, path); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}
