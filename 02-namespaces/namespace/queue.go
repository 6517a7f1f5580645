//go:build linux

package namespace

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SysVQueue opens the System V message queue with this key, or makes it, and returns its number: msgget(2).
// Such a queue belongs to the IPC namespace, not to a process: it stays until somebody removes it (ipcrm) or the namespace ends.
func SysVQueue(key int, create bool) (id int, err error) {
	flags := 0o600
	if create {
		flags |= unix.IPC_CREAT | unix.IPC_EXCL
	}
	r, _, errno := syscall.Syscall(unix.SYS_MSGGET, uintptr(key), uintptr(flags), 0)
	if errno != 0 {
		return 0, os.NewSyscallError("msgget", errno)
	}
	return int(r), nil
}

// POSIXQueue opens the POSIX message queue of this name (without the slash that the C library asks for), or makes it:
// mq_open(2). It, too, belongs to the IPC namespace.
func POSIXQueue(name string, create bool) (*os.File, error) {
	flags := unix.O_RDWR | unix.O_CLOEXEC
	if create {
		flags |= unix.O_CREAT | unix.O_EXCL
	}
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return nil, err
	}
	// No attributes: the kernel's default length and size.
	fd, _, errno := syscall.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)), uintptr(flags), 0o600, 0, 0, 0)
	if errno != 0 {
		return nil, &os.PathError{Op: "mq_open", Path: name, Err: errno}
	}
	return os.NewFile(fd, name), nil
}
