// diagnosis: no-uid-map
//go:build linux && mine

package namespace

import "containerkit/02-namespaces/procfs"

func (s Spec) writeMaps(p *procfs.Process) error {
	groups := "deny"
	if s.Setgroups {
		groups = "allow"
	}
	for _, f := range [][2]string{{"setgroups", groups}, {"gid_map", lines(s.GIDs)}} {
		if err := p.Write(f[0], f[1]); err != nil {
			return err
		}
	}
	return nil
}
