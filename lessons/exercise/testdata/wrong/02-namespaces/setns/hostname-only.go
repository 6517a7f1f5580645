// diagnosis: not-all
//go:build linux && mine

package namespace

import "golang.org/x/sys/unix"

func Join(pid int, _ Set) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, unix.CLONE_NEWUTS)
}
