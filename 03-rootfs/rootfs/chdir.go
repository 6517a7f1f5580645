//go:build linux

package rootfs

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Chdir goes to a directory of the new root, after Pivot. An image may hold a link in its place, so
// the kernel resolves the path inside the root and refuses the links of /proc/PID. One of those,
// /proc/self/fd/9, would lead to a directory that we have open, and from a directory of the host
// ".." leads to all of the host (CVE-2024-21626). Last, getcwd(2) must say that we are below "/".
func Chdir(dir string) error {
	failed := func(err error) error {
		return &os.PathError{Op: "change to the working directory", Path: dir, Err: err}
	}
	top, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return failed(err)
	}
	defer unix.Close(top)
	fd, err := openIn(top, dir, unix.O_DIRECTORY)
	if err != nil {
		return failed(err)
	}
	defer unix.Close(fd)
	if err := unix.Fchdir(fd); err != nil {
		return failed(err)
	}
	if err := reachable(); err != nil {
		return failed(err)
	}
	return nil
}

// reachable returns an error if the working directory is not below our root. getcwd(2) begins with
// "(unreachable)" then. The system call itself says so; Go's os.Getwd believes $PWD first.
func reachable() error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Getcwd(buf)
	if err != nil {
		return os.NewSyscallError("getcwd", err)
	}
	if here := unix.ByteSliceToString(buf[:n]); !strings.HasPrefix(here, "/") {
		return &os.PathError{Op: "getcwd", Path: here, Err: unix.EXDEV}
	}
	return nil
}

// openIn opens a path for its descriptor to be used in the place of its name, with the directory
// top for a root: "/" and ".." and every symbolic link on the way stay below it (openat2(2)).
// RESOLVE_NO_MAGICLINKS refuses the links of /proc/PID (ELOOP), which jump without a path.
func openIn(top int, path string, flags uint64) (fd int, err error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC | flags,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	// EAGAIN: somewhere on the machine something was renamed or mounted while the kernel followed a
	// "..", and it cannot know whether that led out of the root. Then again. A process that renames
	// without end can have the last word.
	for range 128 {
		if fd, err = unix.Openat2(top, path, &how); err != unix.EAGAIN {
			break
		}
	}
	return fd, err
}
