//go:build linux && mine

// Exercise 02-namespaces/flags: a process that is born in namespaces of its own
//
// Fill in what os/exec shall ask clone(2) for: the namespaces of s.New, besides those that a asks for already. If User is
// among them, also who is who (UidMappings and GidMappings; the function sys makes them of s.UIDs and s.GIDs), whether groups
// may be set inside (s.Setgroups), and that the process becomes user and group 0 in there (Credential).
//
// Read: clone(2), CLONE_NEWPID and its relatives, namespaces(7), user_namespaces(7), go doc syscall.SysProcAttr
// Check: go run ./lessons check 02-namespaces/flags

package namespace

import (
	"syscall"

	"containerkit/lessons/kit/todo"
)

// Fill requests the namespaces in the form of os/exec and syscall.ForkExec. It keeps the other
// requests in a.
//
// The child is created in them (clone(2)): after an unshare(2) it would keep its old PID, and only
// its children would be inside. With User, the parent writes the ID maps from outside while the
// child waits. Then the child becomes root inside before it execs the program, because a user who
// is not mapped to 0 loses all capabilities at execve(2).
func (s Spec) Fill(a *syscall.SysProcAttr) error {
	return todo.Exercise("02-namespaces/flags")
}
