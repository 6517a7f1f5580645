//go:build linux && mine

// Exercise 01-cgroups/readback: a limit is in force, or the load never starts
//
// Write s.data to the file at path, as in the exercise before. Then ask the kernel what it has made of it: read(path)
// returns what the file says now, and s.holds tells whether that is what was asked for. If it is not, that is an error, which
// says what was written, where, and what the kernel says.
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
