//go:build linux && mine

// Exercise 03-rootfs/cover: what /proc and /sys tell of the machine is covered
//
// Two loops. What is masked gets something empty mounted over it: a file gets /dev/null, a directory an empty, read-only
// tmpfs. What is read-only is bound onto itself by BindReadOnly (your own, of bind). Paths that are not there are passed over.
//
// Read: mount(2), tmpfs(5), proc(5)
// The reference also imports: errors, os, golang.org/x/sys/unix
// Check: go run ./lessons check 03-rootfs/cover

package rootfs

import "containerkit/lessons/kit/todo"

// Cover hides the masked paths and makes the others read-only. A hidden file reads as empty, being /dev/null; a hidden
// directory is an empty one. What this kernel does not have needs no cover. Call it in the new root, after Pivot.
//
// Covering is done by mounting over it, so it holds only for who cannot unmount it: who has CAP_SYS_ADMIN inside can.
// Stage 05 takes that capability away.
func Cover(masked, readOnly []string) error {
	return todo.Exercise("03-rootfs/cover")
}
