//go:build linux && amd64 && !race

package namespace

import "syscall"

// clone3 is clone3(2) for a child that shares our memory. On its own stack the child calls run(e), which does not return.
// Go has no words for a function that returns on two stacks, so this one is in assembly.
func clone3(args *cloneArgs, e *errands) (pid int, errno syscall.Errno)
