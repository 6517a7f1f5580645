//go:build linux

package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// devices are the nodes that programs rely on, and none that reaches hardware, with their numbers
// (null(4), full(4), random(4), tty(4)).
var devices = []struct {
	name   string
	number uint64
}{
	{"null", unix.Mkdev(1, 3)}, {"zero", unix.Mkdev(1, 5)}, {"full", unix.Mkdev(1, 7)},
	{"random", unix.Mkdev(1, 8)}, {"urandom", unix.Mkdev(1, 9)}, {"tty", unix.Mkdev(5, 0)},
}

var devLinks = [][2]string{
	{"/proc/self/fd", "fd"}, {"fd/0", "stdin"}, {"fd/1", "stdout"}, {"fd/2", "stderr"},
	{"pts/ptmx", "ptmx"}, // the multiplexer of our own devpts, not the host's
}

// Dev fills /dev: a few harmless devices, terminals of our own, shared memory and message queues.
func (r *Rootfs) Dev() error {
	if err := mount("tmpfs", "dev", "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=0755,size=1m"); err != nil {
		return err
	}
	for _, d := range devices {
		if err := showDevice("dev/"+d.name, d.number); err != nil {
			return err
		}
	}
	for _, l := range devLinks {
		if err := symlink(l[0], "dev/"+l[1]); err != nil {
			return err
		}
	}
	for _, m := range []struct {
		dir, fstype, options string
		flags                uintptr
	}{
		// newinstance: terminals that the host's /dev/pts does not show, numbered from 0. ptmxmode: its default, 000,
		// lets nobody open a terminal (Documentation/filesystems/devpts.rst).
		{"dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620", unix.MS_NOSUID | unix.MS_NOEXEC},
		// shm_open(3) and sem_open(3) look here.
		{"dev/shm", "tmpfs", "mode=1777,size=64m", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		// mq_overview(7). It shows the queues of our ipc namespace; EPERM if that is not our own.
		{"dev/mqueue", "mqueue", "", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
	} {
		if err := mkdir(m.dir, 0o755); err != nil {
			return err
		}
		if err := mount(m.fstype, m.dir, m.fstype, m.flags, m.options); err != nil {
			return err
		}
	}
	return nil
}

// showDevice shows one of the host's devices at the same path below the new root. mknod(2) of a device is refused in a
// user namespace (EPERM), else everyone could make themselves the node of the host's disk. So the host's node is bound to
// a file that serves as a mount point. What is there then must be the device: a strange /dev may have anything else.
func showDevice(path string, number uint64) error {
	if err := unix.Mknod(path, unix.S_IFREG|0o666, 0); err != nil {
		return &os.PathError{Op: "mknod", Path: path, Err: err}
	}
	if err := mount("/"+path, path, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return isDevice(&st, "/"+path, number)
}
