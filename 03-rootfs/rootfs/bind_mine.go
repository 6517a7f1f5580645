//go:build linux && mine

// Exercise 03-rootfs/bind: a directory appears in a second place, read-only with all mounts below it
//
// Bind is one call of mount(2). The helper mount (begin.go) makes the call, and its
// error says what was mounted where. BindReadOnly is a bind mount too, of the whole tree below
// source. A second call then changes the flags of the new mounts, and of nothing else: read-only,
// nosuid, nodev.
//
// Read: mount(2), "Creating a bind mount", mount_setattr(2), mount_namespaces(7)
// The reference also imports: os, golang.org/x/sys/unix
// Check: go run ./lessons check 03-rootfs/bind

package rootfs

import "containerkit/lessons/kit/todo"

// Bind shows the directory or file at source at target as well, and both are the same: what is written here is written
// there. Bound onto itself, a directory becomes a mount point, which is what pivot_root asks of a root.
// (mount(2), "Creating a bind mount".)
func Bind(source, target string) error {
	return todo.Exercise("03-rootfs/bind")
}

// BindReadOnly shows the tree at source, with what is mounted below it, at target as well: unchangeable all the way down,
// without set-user-ID programs and devices. The source stays as it is. (mount(2), mount_setattr(2).)
func BindReadOnly(source, target string) error {
	return todo.Exercise("03-rootfs/bind")
}
