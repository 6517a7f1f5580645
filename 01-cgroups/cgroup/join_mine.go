//go:build linux && mine

// Exercise 01-cgroups/join: a process puts itself under the limit
//
// Join the cgroups whose files are open: write the PID of the process that should
// join to each file. "0" stands for the process that writes. An error must name the file: return a
// *WriteError (cgroup.go), or an error that wraps one.
//
// Read: cgroups(7), "Moving a process to a cgroup", Documentation/admin-guide/cgroup-v1/cgroups.rst, 1.2
// The reference also imports: fmt, golang.org/x/sys/unix
// Check: go run ./lessons check 01-cgroups/join

package cgroup

import (
	"os"

	"containerkit/lessons/kit/todo"
)

// JoinSelf joins the cgroups whose files JoinFiles opened: "0" stands for the writer. In v1's tasks
// that is the calling thread alone, so lock it (runtime.LockOSThread) before, and exec the target
// from it: execve(2) terminates the other threads. A parent that writes the child's PID to
// cgroup.procs instead waits ten times as long, for a lock that blocks every fork on the machine.
func JoinSelf(files []*os.File) error {
	return todo.Exercise("01-cgroups/join")
}
