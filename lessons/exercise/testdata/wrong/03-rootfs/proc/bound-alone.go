// diagnosis: the-hosts

//go:build linux && mine

package rootfs

import "golang.org/x/sys/unix"

func (r *Rootfs) Proc() error { return mount("/proc", "proc", "", unix.MS_BIND|harmless, "") }
