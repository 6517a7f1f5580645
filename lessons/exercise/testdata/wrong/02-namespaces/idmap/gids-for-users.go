// diagnosis: one-map-twice

//go:build linux && mine

package namespace

import "containerkit/02-namespaces/procfs"

func (s Spec) writeMaps(p *procfs.Process) error {
	groups := "deny"
	if s.Setgroups {
		groups = "allow"
	}
	if err := p.Write("uid_map", lines(s.GIDs)); err != nil {
		return err
	}
	if err := p.Write("setgroups", groups); err != nil {
		return err
	}
	return p.Write("gid_map", lines(s.GIDs))
}
