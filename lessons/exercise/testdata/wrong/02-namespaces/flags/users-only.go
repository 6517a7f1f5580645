// diagnosis: nobody
//go:build linux && mine

package namespace

import "syscall"

func (s Spec) Fill(a *syscall.SysProcAttr) error {
	a.Cloneflags |= uintptr(s.New)
	if s.New&User == 0 {
		return nil
	}
	a.UidMappings = sys(s.UIDs)
	a.Credential = &syscall.Credential{}
	return nil
}
