//go:build linux && !mine

package namespace

import "syscall"

// Fill asks for the namespaces in the form that os/exec and syscall.ForkExec take it. What else a asks for stays.
//
// The child is born in them (clone(2)): an unshare(2) after its birth would leave it with its old process number, and only
// its children would be inside. With User, who is who is written from outside while the child waits; then it becomes root in
// its own eyes before it executes the program, for a user who is not mapped to 0 loses all capabilities at execve(2).
func (s Spec) Fill(a *syscall.SysProcAttr) error {
	a.Cloneflags |= uintptr(s.New)
	if s.New&User == 0 {
		return nil
	}
	a.UidMappings, a.GidMappings = sys(s.UIDs), sys(s.GIDs)
	a.GidMappingsEnableSetgroups = s.Setgroups
	a.Credential = &syscall.Credential{Uid: 0, Gid: 0} // it drops our groups too, unless Setgroups denies that: setgroups(2)
	return nil
}
