// diagnosis: no-gid-map
//go:build linux && mine

package namespace

import "containerkit/02-namespaces/procfs"

func (s Spec) writeMaps(p *procfs.Process) error {
	for _, f := range [][2]string{{"uid_map", lines(s.UIDs)}} {
		if err := p.Write(f[0], f[1]); err != nil {
			return err
		}
	}
	return nil
}
