//go:build linux && mine

// Exercise 03-rootfs/cover: paths of /proc and /sys that expose the machine are masked
//
// Write two loops. Mount something empty over each masked path: the null device over
// a file; an empty, read-only tmpfs over a directory. Bind each read-only path onto itself with
// BindReadOnly (your own, from the exercise bind). Skip paths that don't exist.
//
// The null device comes as a mount that isn't attached yet: the helper attach (begin.go) attaches
// it, once. For the next file, bind-mount the file that is already masked. (Don't open /dev/null by
// its name: the image decides what is there.)
//
// Read: mount(2), move_mount(2), tmpfs(5), null(4), proc(5)
// The reference also imports: errors, golang.org/x/sys/unix
// Check: go run ./lessons check 03-rootfs/cover

package rootfs

import (
	"os"

	"containerkit/lessons/kit/todo"
)

// Cover hides the masked paths and makes the others read-only. A hidden file reads as empty, being the null device; a hidden
// directory is an empty one. What this kernel does not have needs no cover. Call it in the new root, after Pivot, with what
// NullDevice returned before: the name /dev/null may lead to something of the image's by now. Cover closes null.
//
// Covering is done by mounting over it, so it holds only for who cannot unmount it: who has CAP_SYS_ADMIN inside can.
// Stage 05 takes that capability away.
func Cover(null *os.File, masked, readOnly []string) error {
	return todo.Exercise("03-rootfs/cover")
}
