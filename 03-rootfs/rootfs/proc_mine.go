//go:build linux && mine

// Exercise 03-rootfs/proc: /proc shows the container's processes and no others
//
// The new root is ready, and is the working directory. It has an empty directory
// proc: mount a new proc file system there. Programs, devices and set-user-ID bits in it must have
// no effect: sys.go has a name for the three flags.
//
// Read: proc(5), pid_namespaces(7), "/proc and PID namespaces", mount(2)
// Check: go run ./lessons check 03-rootfs/proc

package rootfs

import "containerkit/lessons/kit/todo"

// Proc mounts a new /proc, so that it shows the processes of our pid namespace (proc(5)).
// It must come before Pivot: in a user namespace the kernel allows it only where a /proc is in sight that nobody has
// covered parts of (EPERM else), for a new one would uncover them. In Docker there is none, unless --privileged.
func (r *Rootfs) Proc() error {
	return todo.Exercise("03-rootfs/proc")
}
