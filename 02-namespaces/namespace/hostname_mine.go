//go:build linux && mine

// Exercise 02-namespaces/hostname: the container has its own hostname
//
// Set the hostname of the UTS namespace that the calling process is in, with one
// system call. The error should name the call that failed (os.NewSyscallError).
//
// Read: uts_namespaces(7), sethostname(2)
// The reference also imports: os, golang.org/x/sys/unix
// Check: go run ./lessons check 02-namespaces/hostname

package namespace

import "containerkit/lessons/kit/todo"

// SetHostname changes the hostname of our UTS namespace. (sethostname(2))
func SetHostname(name string) error {
	return todo.Exercise("02-namespaces/hostname")
}
