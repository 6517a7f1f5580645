//go:build linux && mine

// Exercise 01-cgroups/limit: a limit is written, or the error says why not
//
// Every operation on a cgroup is a write to a file. Write data to the file at path,
// in one write(2). Don't create a file that is missing: it means that its controller is missing.
// Return errors as a *WriteError (cgroup.go) with path, data and the errno.
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
