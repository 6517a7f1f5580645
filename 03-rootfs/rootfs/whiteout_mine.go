//go:build linux && mine

// Exercise 03-rootfs/whiteout: a layer deletes a file of the layers below it
//
// A layer can't remove a file from another layer. It can only say that the name is
// deleted: with a whiteout, a device node that has the file's name. If the layer itself has
// something of that name, a file or a whole directory, remove that first.
//
// Read: Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories", mknod(2)
// The reference also imports: os, golang.org/x/sys/unix
// Check: go run ./lessons check 03-rootfs/whiteout

package rootfs

import "containerkit/lessons/kit/todo"

// Whiteout deletes a file or directory, named by its path in a layer, from all that lies below that layer: what the layer
// itself has there is removed, and a whiteout is put in its place, a character device with the number 0,0. In the
// merged directory there is nothing of that name then. It is what overlayfs does when a file is deleted; an image's
// layers say the same with a file .wh.NAME, which a program that unpacks them must turn into this.
//
// (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"; mknod(2).)
func Whiteout(path string) error {
	return todo.Exercise("03-rootfs/whiteout")
}
