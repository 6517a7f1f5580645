//go:build linux

package namespace

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OwnStreams makes root inside the owner of the pipes and sockets among these files that have no
// name on the host. Otherwise a program inside that opens its standard output again, as in `echo
// >/dev/stdout`, fails with EACCES: it opens the pipe, which belongs to the host's root. (pipe(7),
// proc_pid_fd(5))
//
// A file with a name keeps its owner: a log, a FIFO or a terminal of the host would belong to the
// container even after its exit. If root is not allowed to change owners (CAP_CHOWN), OwnStreams
// changes nothing.
func (s Spec) OwnStreams(files ...*os.File) {
	if !s.Shifted() {
		return // root inside is the user that started the container
	}
	for _, f := range files {
		if f != nil && nameless(int(f.Fd())) {
			_ = unix.Fchown(int(f.Fd()), s.UIDs[0].Outside, s.GIDs[0].Outside)
		}
	}
}

// nameless reports whether a file is a pipe of pipe(2), not one that mkfifo(1) created, or a
// UNIX-domain socket without an address.
func nameless(fd int) bool {
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) != nil {
		return false
	}
	switch fs.Type {
	case unix.PIPEFS_MAGIC:
		return true
	case unix.SOCKFS_MAGIC:
		return unnamed(fd)
	}
	return false
}

// unnamed reports whether a socket is a UNIX-domain socket without an address: the kernel returns
// only the family. (unix(7); package unix shows an abstract address of length 0 the same way)
func unnamed(fd int) bool {
	var address unix.RawSockaddrUnix
	size := uint32(unsafe.Sizeof(address))
	_, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&address)), uintptr(unsafe.Pointer(&size)))
	return errno == 0 && address.Family == unix.AF_UNIX && size == uint32(unsafe.Sizeof(address.Family))
}
