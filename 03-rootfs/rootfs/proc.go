//go:build linux && !mine

package rootfs

// Proc mounts a new /proc, so that it shows the processes of our pid namespace (proc(5)).
// It must come before Pivot: in a user namespace the kernel allows it only where a /proc is in sight that nobody has
// covered parts of (EPERM else), for a new one would uncover them. In Docker there is none, unless --privileged.
func (r *Rootfs) Proc() error { return mount("proc", "proc", "proc", harmless, "") }
