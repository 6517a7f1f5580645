//go:build linux && !amd64 && !arm64

package namespace

import "syscall"

// The assembly is for two kinds of processors.
const assembled = false

func vfork(*cloneArgs, *place) syscall.Errno { return syscall.ENOSYS }

func leave(*place, uintptr, uintptr, uintptr, uintptr, uintptr, uintptr) syscall.Errno {
	return syscall.ENOSYS
}
