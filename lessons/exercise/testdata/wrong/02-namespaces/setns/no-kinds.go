// diagnosis: no-kinds

//go:build linux && mine

package namespace

import "golang.org/x/sys/unix"

func Join(pid int, s Set) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	return unix.Setns(fd, 0)
}
