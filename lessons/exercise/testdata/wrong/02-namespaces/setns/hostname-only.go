// diagnosis: not-all
//go:build linux && mine

package namespace

import (
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

func Join(p *procfs.Process, _ Set) error {
	return unix.Setns(p.PidFD(), unix.CLONE_NEWUTS)
}
