//go:build linux && mine

// Exercise 01-cgroups/readback: a limit is in force, or the load never starts
//
// Write s.data to the file at path, as in the exercise before. Then check what the
// kernel made of it: read(path) returns what the file says now, and s.holds reports whether that is
// what was asked for. If it isn't, return an error that names what was written, the file, and what
// the kernel says.
//
// Read: cgroups(7), Documentation/admin-guide/cgroup-v2.rst, "Interface Files", proc_pid_comm(5)
// The reference also imports: fmt
// Check: go run ./lessons check 01-cgroups/readback

package cgroup

import "containerkit/lessons/kit/todo"

// put writes a limit to the file at path and reads it back, so the limit is in force before the
// load starts. The kernel can silently accept less than was written.
func (s setting) put(path string) error {
	return todo.Exercise("01-cgroups/readback")
}
