//go:build linux

package initproc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
)

// Hook runs f instead of main if this process was started under the name, and exits with the status
// that f returns. Call it in an init function: Go initializes a package as soon as its imports are
// initialized. So what the rest of the program imports is never initialized in the container.
func Hook(name string, f func() (status int)) {
	if len(os.Args) == 0 || os.Args[0] != name {
		return
	}
	runtime.LockOSThread() // the namespaces that f unshares are those of this thread
	// The name that ps shows: a process executed via a file descriptor would be named after its
	// number.
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(unsafe.StringData(name+"\x00"))), 0, 0, 0)
	os.Exit(f())
}

// Env is the environment for re-executing this program. PID 1 has little to do, so two threads for
// Go code are enough: one that works and one that starts to catch signals. And the runtime must not
// keep a file of the host's cgroup open.
var Env = []string{"GOMAXPROCS=2", "GODEBUG=containermaxprocs=0,updatemaxprocs=0"}

// Executable opens this program so that a container can execute it and cannot change it. Otherwise
// root in the container could overwrite the host's file via /proc/1/exe (CVE-2019-5736).
//
// As root, it returns the file in an overlay without an upper layer, in a mount that is not
// attached anywhere. That file cannot be opened for writing: open(2) fails with EROFS, whatever the
// capabilities. (A read-only mount of the file does not protect it: root in a new user namespace
// can clear the flag in a copy of the mount.) If overlayfs rejects the directory, Executable
// returns a sealed copy in memory. (overlayfs in the kernel's Documentation/filesystems, fsopen(2),
// memfd_create(2))
//
// An ordinary user cannot mount, and gets the file itself. Then PID 1 must be non-dumpable, so that
// no process inside can follow /proc/1/exe. (prctl(2), PR_SET_DUMPABLE)
func Executable() (*os.File, error) {
	self, err := openPath("/proc/self/exe")
	if err != nil || !namespace.Capable(unix.CAP_SYS_ADMIN) {
		return self, err
	}
	defer self.Close()
	if exe, err := readOnly(self); err == nil {
		return exe, nil
	}
	return InMemory()
}

func openPath(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// readOnly opens the program in an overlay. It fails if others cannot execute the file, as root in
// a container is one of them, or if another file is at its path.
func readOnly(self *os.File) (*os.File, error) {
	var want, got unix.Stat_t
	if err := unix.Fstat(int(self.Fd()), &want); err != nil {
		return nil, err
	}
	if want.Mode&0o001 == 0 {
		return nil, unix.EACCES
	}
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	dir, name := filepath.Split(path)
	mount, err := overlayOf(dir)
	if err != nil {
		return nil, err
	}
	defer unix.Close(mount)
	fd, err := unix.Openat(mount, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	exe := os.NewFile(uintptr(fd), name)
	// The overlay shows the same inode number, and the size of the same file.
	if err := unix.Fstat(fd, &got); err != nil || got.Ino != want.Ino || got.Size != want.Size {
		exe.Close()
		return nil, errors.New("the program was replaced")
	}
	return exe, nil
}

// overlayOf mounts an overlay of two lower directories, without attaching it. A single one fails
// with EINVAL. The other one must not contain it, and its files do not matter.
func overlayOf(dir string) (mount int, err error) {
	other := "/etc"
	if strings.HasPrefix(dir, "/etc/") {
		other = "/usr"
	}
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetString(fs, "lowerdir", filepath.Clean(dir)+":"+other); err != nil {
		return -1, err
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
}

// InMemory copies this program into a file in memory that every user can execute and no process can
// change. It takes 1 ms for each 1.5 MB. (memfd_create(2), fcntl(2), "File Sealing")
func InMemory() (*os.File, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	// MFD_EXEC, since Linux 6.3: if the sysctl vm.memfd_noexec is 1, a file created without it can
	// never be executed.
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("containerkit", flags|unix.MFD_EXEC)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("containerkit", flags)
	}
	if err != nil {
		return nil, fmt.Errorf("copy the program into memory: %w", os.NewSyscallError("memfd_create", err))
	}
	copied := os.NewFile(uintptr(fd), "containerkit")
	defer copied.Close()
	if _, err := io.Copy(copied, self); err != nil {
		return nil, err
	}
	if err := copied.Chmod(0o755); err != nil {
		return nil, err
	}
	seals := unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(copied.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, os.NewSyscallError("fcntl(F_ADD_SEALS)", err)
	}
	// A file that is open for writing cannot be executed (ETXTBSY).
	return openPath(fmt.Sprintf("/proc/self/fd/%d", fd))
}
