// diagnosis: nothing-joined
//go:build linux && mine

package namespace

import (
	"os"

	"golang.org/x/sys/unix"
)

func Join(_ int, s Set) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, int(s))
}
