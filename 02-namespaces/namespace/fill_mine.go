//go:build linux && mine

// Exercise 02-namespaces/flags: a process starts in its own namespaces
//
// Fill in what os/exec should ask clone(2) for: the namespaces of s.New, in addition
// to those that a already asks for. If User is among them, fill in three more things: the UID and
// GID mappings (UidMappings and GidMappings; the function sys makes them from s.UIDs and s.GIDs),
// whether groups can be set inside (s.Setgroups), and that the process becomes UID 0 and GID 0
// inside (Credential).
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
