package vm

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
)

// roomDevices are the devices that a room has. The others of the host, its disks for one, are not
// there: a read-only mount does not keep a process from writing to a device.
var roomDevices = []string{"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/kvm"}

// furnish creates the room's mounts.
func furnish(share string) error {
	if err := namespace.MakePrivate(); err != nil {
		return err
	}
	// Before anything is masked: the shared directory may be in /tmp.
	root, err := rootfs.PickUp("/", true)
	if err != nil {
		return err
	}
	writable := -1
	if share != "" {
		if writable, err = rootfs.PickUp(share, false); err != nil {
			return err
		}
	}
	devices, err := pickUpDevices()
	if err != nil {
		return err
	}
	// No process here needs to write to the host's files, so none can, whichever path it takes; nor
	// can it open a device that is not in the room's own /dev.
	if err := readOnly("/", unix.AT_RECURSIVE); err != nil {
		return err
	}
	if err := memory(roomTop, "mode=0700", 0); err != nil {
		return err
	}
	if err := attach(root, roomRoot); err != nil {
		return err
	}
	// The host's kernel is not for the guest to read: it has a kernel of its own, and
	// /proc/PID/root would be a way around the read-only tree. /run holds sockets and mounts of the
	// host's services.
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run"} {
		if err := mask(roomRoot + dir); err != nil {
			return err
		}
	}
	if err := maskHost(devices); err != nil {
		return err
	}
	if share == "" {
		return nil
	}
	return attach(writable, roomShare)
}

// maskHost puts something else in place of the host's /dev, /run and /proc, for the engine's own
// processes: what breaks out of a guest's kernel would find the services' sockets in /run, to which
// a read-only mount does not keep a process from connecting.
func maskHost(devices map[string]int) error {
	if err := memory("/dev", "mode=0755,size=4k", 0); err != nil {
		return err
	}
	for path, fd := range devices {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		if err := rootfs.PutDown(fd, path); err != nil {
			return err
		}
	}
	if err := readOnly("/dev", 0); err != nil {
		return err
	}
	if err := mask("/run"); err != nil {
		return err
	}
	// A /proc of this PID namespace, which has the room's processes only. Where the host's /proc is
	// masked in parts, as in a container, an ordinary user cannot mount another one (EPERM,
	// mount_namespaces(7)), and sees the host's.
	const flags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	err := unix.Mount("proc", "/proc", "proc", flags, "")
	if err != nil && err != unix.EPERM {
		return &os.PathError{Op: "mount proc on", Path: "/proc", Err: err}
	}
	return nil
}

// pickUpDevices clones the mounts of those devices that the host has.
func pickUpDevices() (map[string]int, error) {
	devices := map[string]int{}
	for _, path := range roomDevices {
		fd, err := rootfs.PickUp(path, false)
		switch {
		case err == nil:
			devices[path] = fd
		case !errors.Is(err, syscall.ENOENT):
			return nil, err
		}
	}
	return devices, nil
}

// attach attaches a mount to a new directory.
func attach(fd int, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return rootfs.PutDown(fd, dir)
}

// mask mounts an empty, read-only directory on dir, if dir exists.
func mask(dir string) error {
	err := memory(dir, "mode=0755,size=4k", unix.MS_RDONLY|unix.MS_NOEXEC)
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}

// readOnly makes the mount at a path read-only and without devices: mount_setattr(2).
func readOnly(path string, flags uint) error {
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(unix.AT_FDCWD, path, flags, attr); err != nil {
		return &os.PathError{Op: "mount_setattr read-only", Path: path, Err: err}
	}
	return nil
}

// memory mounts an empty tmpfs(5) on dir.
func memory(dir, options string, flags uintptr) error {
	err := unix.Mount("tmpfs", dir, "tmpfs", flags|unix.MS_NOSUID|unix.MS_NODEV, options)
	if err != nil {
		return &os.PathError{Op: "mount tmpfs on", Path: dir, Err: err}
	}
	return nil
}
