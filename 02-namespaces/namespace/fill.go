//go:build linux && !mine

package namespace

import "syscall"

// Fill requests the namespaces in the form of os/exec and syscall.ForkExec. It keeps the other
// requests in a.
//
// The child is created in them (clone(2)): after an unshare(2) it would keep its old PID, and only
// its children would be inside. With User, the parent writes the ID maps from outside while the
// child waits. Then the child becomes root inside before it execs the program, because a user who
// is not mapped to 0 loses all capabilities at execve(2).
func (s Spec) Fill(a *syscall.SysProcAttr) error {
	a.Cloneflags |= uintptr(s.New)
	if s.New&User == 0 {
		return nil
	}
	a.UidMappings, a.GidMappings = sys(s.UIDs), sys(s.GIDs)
	a.GidMappingsEnableSetgroups = s.Setgroups
	// This also drops our groups, unless Setgroups denies that. (setgroups(2))
	a.Credential = &syscall.Credential{Uid: 0, Gid: 0}
	return nil
}
