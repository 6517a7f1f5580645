//go:build linux && mine

// Exercise 01-cgroups/limit: a limit is written, or it is said why not
//
// Everything in a cgroup is done by writing to files: write data to the file at path, in one write(2). A file that is not
// there must not be made: it means that its controller is missing. An error is a *WriteError
// (cgroup.go) with path, data and the errno.
//
// Read: cgroups(7), open(2), O_CREAT, write(2), Documentation/admin-guide/cgroup-v2.rst
// The reference also imports: golang.org/x/sys/unix
// Check: go run ./lessons check 01-cgroups/limit

package cgroup

import "containerkit/lessons/kit/todo"

// write writes data in one write(2), as the kernel requires: each write is one command. It never
// uses O_CREAT: a file that does not exist means that its controller is missing.
func write(path, data string) error {
	return todo.Exercise("01-cgroups/limit")
}
