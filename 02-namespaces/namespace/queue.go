//go:build linux

package namespace

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SysVQueue opens the System V message queue with this key, or creates it, and returns its ID. Such
// a queue belongs to the IPC namespace, not to a process: it exists until it is removed (ipcrm(1))
// or the namespace is freed. (msgget(2))
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

// POSIXQueue opens the POSIX message queue of this name, or creates it. The name has no leading
// slash, which only the C library requires. The queue, too, belongs to the IPC namespace.
// (mq_open(2))
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
