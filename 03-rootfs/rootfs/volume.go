//go:build linux

package rootfs

import (
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is after how many links a path is taken for a circle; the kernel's own limit (path_resolution(7)).
const maxLinks = 40

// Volumes attaches what Begin picked up.
func (r *Rootfs) Volumes() error {
	for i, v := range r.Spec.Volumes {
		if err := AttachIn(".", v.Target, r.volumes[i]); err != nil {
			return err
		}
	}
	r.volumes = nil
	return nil
}

// AttachIn attaches a detached tree of mounts at target as seen from inside root, makes target if it is missing, and
// closes the file that holds it.
//
// The path is resolved by the kernel with RESOLVE_IN_ROOT (openat2(2)): "/" and ".." and every symbolic link on the way
// stay below root. An image can hold a link from /data to /; had we resolved root + "/data" ourselves, the volume would
// lie over the host's /. RESOLVE_NO_MAGICLINKS refuses the links of /proc/PID, which jump without a path.
// What was found is then used by its descriptor, so no name can change its meaning between check and use.
func AttachIn(root, target string, tree *os.File) error {
	defer tree.Close()
	fd := int(tree.Fd())
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "stat the source of", Path: target, Err: err}
	}
	at, err := makeIn(root, target, st.Mode&unix.S_IFMT == unix.S_IFDIR, 0)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(at, &fs); err != nil {
		return &os.PathError{Op: "statfs", Path: target, Err: err}
	}
	if fs.Type == unix.PROC_SUPER_MAGIC { // a link of the image leads there
		return &os.PathError{Op: "mount a volume on", Path: target, Err: errInProc}
	}
	if err := unix.MoveMount(fd, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount to", Path: target, Err: err}
	}
	return nil
}

// makeIn opens target inside root, and makes it, and the directories above it, if it is missing. links counts the
// dangling links that were followed so far.
func makeIn(root, target string, dir bool, links int) (int, error) {
	top, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(top)
	open := func(p string) (int, error) { return openIn(top, p, 0) }
	target = path.Clean("/" + target)
	parts := strings.Split(target[1:], "/")
	for i, name := range parts {
		here := strings.Join(parts[:i+1], "/")
		fd, err := open(here)
		if err == unix.ENOENT {
			// The directory above is there, we have just passed it: make the entry in it.
			var above int
			if above, err = open("/" + strings.Join(parts[:i], "/")); err != nil {
				return -1, &os.PathError{Op: "open inside the root", Path: here, Err: err}
			}
			if last := i == len(parts)-1; last && !dir {
				err = unix.Mknodat(above, name, unix.S_IFREG|0o644, 0)
			} else {
				err = unix.Mkdirat(above, name, 0o755)
			}
			if err == unix.EEXIST && links < maxLinks {
				// It was "missing" because it is a link to something that is: make that, inside the root like all.
				buf := make([]byte, unix.PathMax)
				if k, e := unix.Readlinkat(above, name, buf); e == nil {
					unix.Close(above)
					to := string(buf[:k])
					if !path.IsAbs(to) {
						to = path.Join(append(parts[:i:i], to)...)
					}
					return makeIn(root, path.Join(append([]string{to}, parts[i+1:]...)...), dir, links+1)
				}
			}
			unix.Close(above)
			if err != nil {
				return -1, &os.PathError{Op: "make the target inside the root", Path: "/" + here, Err: err}
			}
			fd, err = open(here)
		}
		if err != nil {
			return -1, &os.PathError{Op: "open inside the root", Path: "/" + here, Err: err}
		}
		if i == len(parts)-1 {
			return fd, nil
		}
		unix.Close(fd)
	}
	return -1, &os.PathError{Op: "open inside the root", Path: target, Err: unix.EINVAL}
}
