//go:build linux

package rootfs

import (
	"errors"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// onBoard are the directories of the host that hold programs. Most distributions have merged them: /bin is a link to
// usr/bin, and then the link is created again. NixOS and Guix keep everything in a store of their own.
var onBoard = []string{"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu"}

// writable are the directories below the host's /usr that root inside may change, see makeWritable.
var writable = []string{"bin", "sbin", "lib", "share", "local", "local/bin", "local/sbin", "local/lib", "local/share"}

// A directory that every root has.
type directory struct {
	path string
	mode uint32
}

var skeleton = []directory{
	{"dev", 0o755}, {"etc", 0o755}, {"home", 0o755}, {"mnt", 0o755}, {"opt", 0o755}, {"proc", 0o555}, {"root", 0o700},
	{"run", 0o755}, {"srv", 0o755}, {"sys", 0o555}, {"tmp", 0o1777}, {"var", 0o755}, {"var/tmp", 0o1777},
}

// Base lays the files: the host's programs, or Spec.Dir. Afterwards the working directory is the new root, and all
// further steps use paths relative to it.
func (r *Rootfs) Base() error {
	if len(r.layers) > 0 {
		return r.fromLayers()
	}
	return r.fromHost()
}

// fromHost makes the root on board, on the staging tmpfs itself. It becomes a mount point by being bound onto itself,
// which is what pivot_root asks of a root.
func (r *Rootfs) fromHost() error {
	root := staging + "/root"
	if err := Bind(root, root); err != nil {
		return err
	}
	if err := enter(root, skeleton); err != nil {
		return err
	}
	for _, name := range onBoard {
		var st unix.Stat_t
		if err := unix.Lstat("/"+name, &st); err != nil {
			continue // this host has no such directory
		}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			target, err := os.Readlink("/" + name)
			if err != nil {
				return err
			}
			if err := symlink(target, name); err != nil {
				return err
			}
			continue
		}
		if err := mkdir(name, 0o755); err != nil {
			return err
		}
		if err := r.layHost(name); err != nil {
			return err
		}
	}
	return nil
}

// layHost puts one of the host's directories into the root: below a layer in memory, or as it is but read-only.
func (r *Rootfs) layHost(name string) error {
	if r.ReadOnly || r.Refused != nil {
		return r.showHost("/"+name, name)
	}
	upper, work := staging+"/upper/"+name, staging+"/work/"+name
	for _, dir := range []string{upper, work} {
		if err := mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if name == "usr" {
		if err := makeWritable(upper); err != nil {
			return err
		}
	}
	if r.Refused = Overlay([]string{"/" + name}, upper, work, name, unix.MS_NOSUID|unix.MS_NODEV); r.Refused != nil {
		var refused syscall.Errno
		if !errors.As(r.Refused, &refused) {
			return r.Refused // not the kernel's word
		}
		// No overlayfs in this kernel, or none in user namespaces (before Linux 5.11), or /usr is an overlay upon an
		// overlay already, which is as deep as the kernel goes.
		r.Overlay = false
		return BindReadOnly("/"+name, name)
	}
	r.Overlay = true
	return nil
}

// showHost shows one of the host's directories read-only. An overlay of nothing but lower layers does that, and in
// /proc/self/mountinfo it is an overlay, where a bind mount would name the host's disk. (It takes two layers; the second
// is an empty one.) Where it is refused, as if something is mounted below the directory, it is a bind mount.
func (r *Rootfs) showHost(dir, target string) error {
	const flags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
	if r.Refused == nil && mount("overlay", target, "overlay", flags, "userxattr,lowerdir="+dir+":"+staging+"/lower") == nil {
		return nil
	}
	return BindReadOnly(dir, target)
}

// makeWritable prepares the layer over /usr, so that root inside can make and delete files there. In a user namespace
// the host's root is nobody: its directories belong to no one inside, root may not write to them
// (user_namespaces(7), "Capabilities"), and overlayfs does not copy them up (EOVERFLOW). But where the upper layer has
// a directory of the same name, the merged one has that one's owner. Files that are there can be replaced, not changed.
func makeWritable(upper string) error {
	for _, dir := range writable {
		var st unix.Stat_t
		if err := unix.Lstat("/usr/"+dir, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			continue // a link here (/usr/sbin on some distributions) must stay one
		}
		if err := mkdir(upper+"/"+dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// fromLayers makes the root of Spec.Dir and Spec.Layers, with a layer in memory on top. The directories that the
// container needs are made in that layer first. So they are directories of ours even if an image has a link in their
// place, which would lead the mounts below out of the root.
func (r *Rootfs) fromLayers() error {
	lower := make([]string, len(r.layers))
	for i, f := range r.layers {
		// A number for a name: a path of the user's could hold anything, and the kernel's list is split at colons.
		dir := staging + "/lower/" + strconv.Itoa(i)
		if err := mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := attach(f, dir); err != nil {
			return err
		}
		lower[len(lower)-1-i] = dir // the kernel wants the topmost first
	}
	upper, work, root := staging+"/upper", staging+"/work", staging+"/root"
	for _, d := range skeleton {
		switch d.path {
		case "dev", "etc", "proc", "run", "sys", "tmp":
			if err := mkdir(upper+"/"+d.path, d.mode); err != nil {
				return err
			}
		}
	}
	if err := unix.Chmod(upper+"/tmp", 0o1777); err != nil { // mkdir's mode went through the mask
		return &os.PathError{Op: "chmod", Path: upper + "/tmp", Err: err}
	}
	if err := Overlay(lower, upper, work, root, unix.MS_NODEV); err != nil {
		r.Refused = err
		return err
	}
	r.Overlay = true
	return enter(root, nil)
}

// enter changes to the new root and makes directories there.
func enter(root string, dirs []directory) error {
	if err := unix.Chdir(root); err != nil {
		return &os.PathError{Op: "chdir", Path: root, Err: err}
	}
	for _, d := range dirs {
		if err := mkdir(d.path, d.mode); err != nil {
			return err
		}
		if d.mode&^0o755 != 0 { // mkdir's mode went through the mask
			if err := unix.Chmod(d.path, d.mode); err != nil {
				return &os.PathError{Op: "chmod", Path: d.path, Err: err}
			}
		}
	}
	return nil
}
