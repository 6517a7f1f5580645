//go:build linux && (!amd64 || race)

package namespace

import "syscall"

// clone3 is not to be had: on other processors nobody has tried it, and the race detector wants to be told of every call,
// which a child on a borrowed stack cannot do.
func clone3(*cloneArgs, *errands) (pid int, errno syscall.Errno) { return 0, syscall.ENOSYS }
