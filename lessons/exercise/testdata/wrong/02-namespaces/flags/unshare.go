// diagnosis: late
//go:build linux && mine

package namespace

import "syscall"

func (s Spec) Fill(a *syscall.SysProcAttr) error {
	a.Unshareflags |= uintptr(s.New)
	if s.New&User == 0 {
		return nil
	}
	a.UidMappings, a.GidMappings = sys(s.UIDs), sys(s.GIDs)
	a.GidMappingsEnableSetgroups = s.Setgroups
	a.Credential = &syscall.Credential{}
	return nil
}
