// diagnosis: bare-error
//go:build linux && mine

package cgroup

import "golang.org/x/sys/unix"

func write(path, data string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(data))
	return err
}
