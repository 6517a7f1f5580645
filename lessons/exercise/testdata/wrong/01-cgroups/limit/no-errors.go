// diagnosis: swallows
//go:build linux && mine

package cgroup

import "golang.org/x/sys/unix"

func write(path, data string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	_, _ = unix.Write(fd, []byte(data))
	return nil
}
