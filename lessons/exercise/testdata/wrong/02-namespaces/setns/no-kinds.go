// diagnosis: no-kinds

//go:build linux && mine

package namespace

import (
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

func Join(p *procfs.Process, s Set) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	return unix.Setns(p.PidFD(), 0)
}
