//go:build linux

package rootfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NullDevice returns the null device as a mount that is attached nowhere, for Cover. Call it
// before Pivot, with the host's files in sight: in the new root the name /dev/null leads wherever
// the image and the volumes say. Its error says if the host's /dev/null is something else
// (null(4)).
func NullDevice() (*os.File, error) {
	fd, err := pickUp(unix.AT_FDCWD, "/dev/null", false)
	if err != nil {
		return nil, err
	}
	null := os.NewFile(uintptr(fd), "/dev/null")
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err != nil {
		err = &os.PathError{Op: "stat", Path: "/dev/null", Err: err}
	} else {
		err = isDevice(&st, "/dev/null", unix.Mkdev(1, 3))
	}
	if err != nil {
		null.Close()
		return nil, err
	}
	return null, nil
}

// isDevice returns an error unless the file, which the host has at path, is the character device
// with this number. A host can have anything there, and a container must get the device or
// nothing.
func isDevice(st *unix.Stat_t, path string, number uint64) error {
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || uint64(st.Rdev) != number {
		return fmt.Errorf("%s of the host is not the character device %d:%d",
			path, unix.Major(number), unix.Minor(number))
	}
	return nil
}
