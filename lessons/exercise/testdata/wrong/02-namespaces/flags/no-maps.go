// diagnosis: nobody
//go:build linux && mine

package namespace

import "syscall"

func (s Spec) Fill(a *syscall.SysProcAttr) error {
	a.Cloneflags |= uintptr(s.New)
	return nil
}
