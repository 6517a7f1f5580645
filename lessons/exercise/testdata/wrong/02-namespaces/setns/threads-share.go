// diagnosis: shared-fs
//go:build linux && mine

package namespace

import "golang.org/x/sys/unix"

func Join(pid int, s Set) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, int(s))
}
