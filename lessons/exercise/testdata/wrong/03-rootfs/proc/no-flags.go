// diagnosis: flags-missing

//go:build linux && mine

package rootfs

func (r *Rootfs) Proc() error { return mount("proc", "proc", "proc", 0, "") }
