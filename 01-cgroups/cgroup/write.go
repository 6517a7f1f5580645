//go:build linux && !mine

package cgroup

import "golang.org/x/sys/unix"

// write writes data in one write(2), as the kernel requires: each write is one command. It never
// uses O_CREAT: a file that does not exist means that its controller is missing.
func write(path, data string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &WriteError{path, data, err}
	}
	defer unix.Close(fd)
	for {
		if _, err = unix.Write(fd, []byte(data)); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return &WriteError{path, data, err}
	}
	return nil
}
