//go:build linux

package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/lessons/vm/wire"
)

// newRoot is where the root is put together before it becomes one.
const newRoot = "/new"

// root makes the host's root ours: read-only, below an overlay whose upper layer is memory. Whatever the guest writes,
// deletes or renames happens in the upper layer (Documentation/filesystems/overlayfs.rst).
// It returns the number that the ordinary user will have.
func root(s *wire.Start) (uid int, err error) {
	if err := mount(s.Root.Source, "/lower", s.Root.Type, unix.MS_RDONLY, s.Root.Options); err != nil {
		return 0, err
	}
	if err := mount("tmpfs", "/rw", "tmpfs", 0, "mode=0755,size=80%"); err != nil {
		return 0, err
	}
	for _, dir := range []string{"/rw/upper", "/rw/work"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return 0, err
		}
	}
	// To an ordinary user's user namespace, root's files are nobody's. A set-user-ID program such as mount(8) would
	// then make nobody of root.
	flags := uintptr(0)
	if s.NoSUID {
		flags = unix.MS_NOSUID
	}
	// metacopy: to change the owner or the time of a file does not copy its data. The go command marks what it uses
	// in its cache by the time.
	err = withoutHandles(func() error {
		return mount("overlay", newRoot, "overlay", flags, "lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work,metacopy=on")
	})
	if err != nil {
		return 0, err
	}
	if uid, err = freeID(newRoot); err != nil {
		return 0, err
	}
	// The directories that are to survive /tmp and /run being new: picked up now, put down when these are mounted.
	kept := map[string]int{}
	for _, dir := range s.Keep {
		fd, err := unix.OpenTree(unix.AT_FDCWD, newRoot+dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return 0, &os.PathError{Op: "open_tree", Path: dir, Err: err}
		}
		kept[dir] = fd
	}
	if err := disk(s.Disk); err != nil { // before /dev moves
		return 0, err
	}
	for _, m := range []struct {
		source, target, fstype string
		flags                  uintptr
		options                string
	}{
		{"/dev", "/dev", "", unix.MS_MOVE, ""},
		{"/proc", "/proc", "", unix.MS_MOVE, ""},
		{"sysfs", "/sys", "sysfs", harmless, ""},
		{"cgroup2", "/sys/fs/cgroup", "cgroup2", harmless, "nsdelegate"},
		{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0620,ptmxmode=0666,gid=5"},
		{"shm", "/dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
		{"mqueue", "/dev/mqueue", "mqueue", harmless, ""},
		{"tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777,size=80%"},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755,size=20%"},
	} {
		if err := mount(m.source, newRoot+m.target, m.fstype, m.flags, m.options); err != nil {
			return 0, err
		}
	}
	// What udev makes on other machines: a process's own descriptors by name.
	for name, to := range map[string]string{"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"} {
		if err := os.Symlink("/proc/self/fd"+to, newRoot+"/dev/"+name); err != nil {
			return 0, err
		}
	}
	for dir, fd := range kept {
		err := os.MkdirAll(newRoot+dir, 0o755)
		if err == nil {
			err = unix.MoveMount(fd, "", unix.AT_FDCWD, newRoot+dir, unix.MOVE_MOUNT_F_EMPTY_PATH)
		}
		if err != nil {
			return 0, fmt.Errorf("keep %s: %w", dir, err)
		}
	}
	for _, share := range s.Shares {
		if err := mount(share.Source, newRoot+share.Path, share.Type, 0, share.Options); err != nil {
			return 0, err
		}
	}
	if err := provide(s, uid); err != nil {
		return 0, err
	}
	return uid, moveOver()
}

// withoutHandles calls f in a thread without CAP_DAC_READ_SEARCH, the right to open files by handle
// (open_by_handle_at(2)). An overlay acts with the rights of who mounted it. With that one, it notes in every file that it
// copies up the handle of the original; and virtiofsd gives the number in it to another file, as soon as the guest has let go of
// the original (forget). From then on the overlay would find a stranger, and the changed file would be stale (ESTALE) for good.
func withoutHandles(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var had [2]unix.CapUserData // of 32 capabilities each
	if err := unix.Capget(&head, &had[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	less := had
	less[0].Effective &^= 1 << unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&head, &less[0]); err != nil {
		return os.NewSyscallError("capset", err)
	}
	return errors.Join(f(), os.NewSyscallError("capset", unix.Capset(&head, &had[0])))
}

// disk mounts a real disk, as far as the kernel can tell, where the io step finds it: /tmp is memory, and so is what is
// written to the overlay, and neither can be throttled.
func disk(device string) error {
	if device == "" {
		return nil
	}
	// It appears a moment after its driver is loaded.
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(device); err == nil {
			break
		}
	}
	dir := newRoot + "/var/tmp"
	if err := mount(device, dir, "ext4", unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return err
	}
	return os.Chmod(dir, 0o777|os.ModeSticky)
}

// moveOver makes the new root the root of all. The initial file system is the root of the mount tree and can be neither
// unmounted nor pivoted away (pivot_root(2): EINVAL), so the new one is moved over it and entered by chroot, in this
// process: the kernel's own threads share its root, and find /sbin/modprobe there. For who pivots later, in a mount
// namespace of his own, it is a mount like any other.
func moveOver() error {
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return &os.PathError{Op: "mount --move " + newRoot + " to", Path: "/", Err: err}
	}
	if err := unix.Chroot("."); err != nil {
		return &os.PathError{Op: "chroot", Path: newRoot, Err: err}
	}
	return os.Chdir("/")
}

// settle sets up what is not a mount.
func settle(s *wire.Start, uid int) error {
	// Shared, as systemd has it: a lesson is about what happens when nobody makes it private.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return &os.PathError{Op: "mount --make-rshared", Path: "/", Err: err}
	}
	if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
		return fmt.Errorf("sethostname: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	if err := findModules(s.Modules); err != nil {
		return err
	}
	if err := handDown("/sys/fs/cgroup"); err != nil {
		return err
	}
	if err := addLearner(s, uid); err != nil {
		return err
	}
	if err := delegate(uid); err != nil {
		return err
	}
	return nil
}

// findModules lets modprobe(8), which the kernel calls for what it lacks, find the modules.
func findModules(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll("/lib/modules", 0o755); err != nil {
		return err
	}
	return os.Symlink(dir, "/lib/modules/"+filepath.Base(dir))
}

// loopbackUp is "ip link set lo up" (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err == nil {
		r.SetUint16(unix.IFF_UP)
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
	}
	if err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// handDown switches every controller of a group on for its children. One by one, for one that refuses must not keep the
// others from it.
func handDown(group string) error {
	text, err := os.ReadFile(group + "/cgroup.controllers")
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range strings.Fields(string(text)) {
		if err := os.WriteFile(group+"/cgroup.subtree_control", []byte("+"+c), 0); err != nil {
			errs = append(errs, fmt.Errorf("enable %s: %w", c, err))
		}
	}
	return errors.Join(errs...)
}
