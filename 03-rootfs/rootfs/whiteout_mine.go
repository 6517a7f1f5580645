//go:build linux && mine

// Exercise 03-rootfs/whiteout: a layer deletes what the layers below it have
//
// A layer cannot take a file out of another one. It can only say that there is nothing: with a whiteout, a device node that
// has the file's name. If the layer has something of that name itself, be it a file or a whole directory, that goes first.
//
// Read: Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories", mknod(2)
// The reference also imports: os, golang.org/x/sys/unix
// Check: go run ./lessons check 03-rootfs/whiteout

package rootfs

import "containerkit/lessons/kit/todo"

// Whiteout deletes a file or directory, named by its path in a layer, from all that lies below that layer: what the layer
// itself has there is removed, and a whiteout is put in its place, a character device with the number 0,0. In the
// merged directory there is nothing of that name then. It is what overlayfs does when a file is deleted; an image's
// layers say the same with a file .wh.NAME, which whoever unpacks them must turn into this.
//
// (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"; mknod(2).)
func Whiteout(path string) error {
	return todo.Exercise("03-rootfs/whiteout")
}
