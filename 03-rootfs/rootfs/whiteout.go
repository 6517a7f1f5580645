//go:build linux && !mine

package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// Whiteout deletes a file or directory, named by its path in a layer, from all that lies below that layer: what the layer
// itself has there is removed, and a whiteout is put in its place, a character device with the number 0,0. In the
// merged directory there is nothing of that name then. It is what overlayfs does when a file is deleted; an image's
// layers say the same with a file .wh.NAME, which a program that unpacks them must turn into this.
//
// (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"; mknod(2).)
func Whiteout(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	// Making device nodes takes CAP_MKNOD on the host; this one, which no driver stands behind, is free for all since
	// Linux 5.8.
	if err := unix.Mknod(path, unix.S_IFCHR, int(unix.Mkdev(0, 0))); err != nil {
		return &os.PathError{Op: "make a whiteout at", Path: path, Err: err}
	}
	return nil
}
