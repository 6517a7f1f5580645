// diagnosis: nothing-joined
//go:build linux && mine

package namespace

import (
	"os"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

func Join(_ *procfs.Process, s Set) error {
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
