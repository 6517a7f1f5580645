//go:build linux && mine

// Exercise 03-rootfs/overlay: writes go to the upper layer, and the lower layers stay unchanged
//
// One mount of the type "overlay"; all that matters is in its options. A directory's
// name can contain a colon or a comma, which have a meaning in the options: the helper escaped
// (begin.go) escapes one name. The mount must work in a user namespace, where overlayfs can't use
// its default extended attributes.
//
// Read: Documentation/filesystems/overlayfs.rst, "Upper and Lower", "Multiple lower layers", "User xattr", xattr(7)
// The reference also imports: strings
// Check: go run ./lessons check 03-rootfs/overlay

package rootfs

import "containerkit/lessons/kit/todo"

// Overlay lays a writable directory over others: target shows them merged, every write goes to upper, and what is in
// lower stays as it is. lower lists the topmost first. work is an empty directory on upper's
// file system, where the kernel prepares what must appear in upper in one piece.
// flags are mount(2)'s. See Documentation/filesystems/overlayfs.rst in the kernel's sources.
func Overlay(lower []string, upper, work, target string, flags uintptr) error {
	return todo.Exercise("03-rootfs/overlay")
}
