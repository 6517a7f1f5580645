// diagnosis: something-else
//go:build linux && mine

package cgroup

import "golang.org/x/sys/unix"

func write(path, data string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &WriteError{path, data, err}
	}
	defer unix.Close(fd)
	_, _ = unix.Write(fd, []byte("max"))
	return nil
}
