// diagnosis: shared-fs
//go:build linux && mine

package namespace

import (
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

func Join(p *procfs.Process, s Set) error {
	return unix.Setns(p.PidFD(), int(s))
}
