//go:build linux && (amd64 || arm64)

package namespace

import "syscall"

const assembled = true

// killed is what assembly says when the new process has not left by itself, and our memory is in whatever state it was.
//
//lint:ignore U1000 only assembly reads it
var killed = "containerkit: a process was killed while it borrowed our memory\n"

// vfork is clone3(2) with CLONE_VFORK. It returns 0 in the new process. In ours it does not return: when the new process
// has left, we go on where that one stood, and it is leave that returns.
//
// vfork(2) has always forbidden to return from the function that called it: two processes use one stack, and the second
// finds there what the first has left. So here the second does not go back to its own place on the stack, but takes over
// the first one's. Go has no words for that, hence assembly.
func vfork(args *cloneArgs, at *place) (errno syscall.Errno)

// leave notes the place, and makes a system call. See vforked.leave.
func leave(at *place, nr, a1, a2, a3, a4, a5 uintptr) (errno syscall.Errno)
