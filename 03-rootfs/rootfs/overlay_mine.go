//go:build linux && mine

// Exercise 03-rootfs/overlay: writes go to a layer on top, and what lies below stays as it is
//
// One mount of the type "overlay"; all that matters stands in its options. A directory's name may hold a colon or a comma,
// which mean something there: the helper escaped (begin.go) takes care of one name.
// It must work in a user namespace, where overlayfs may not use the extended attributes that it uses by default.
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
