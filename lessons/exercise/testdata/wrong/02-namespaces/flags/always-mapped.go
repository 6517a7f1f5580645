// diagnosis: always
//go:build linux && mine

package namespace

import "syscall"

func (s Spec) Fill(a *syscall.SysProcAttr) error {
	a.Cloneflags |= uintptr(s.New)
	a.UidMappings, a.GidMappings = sys(s.UIDs), sys(s.GIDs)
	a.GidMappingsEnableSetgroups = s.Setgroups
	a.Credential = &syscall.Credential{}
	return nil
}
