//go:build linux && !mine

package namespace

import "containerkit/02-namespaces/procfs"

// writeMaps writes the ID maps of a process that waits in its new user namespace.
// (user_namespaces(7))
func (s Spec) writeMaps(p *procfs.Process) error {
	groups := "deny" // required before gid_map, unless we have CAP_SETGID outside
	if s.Setgroups {
		groups = "allow"
	}
	if err := p.Write("uid_map", lines(s.UIDs)); err != nil {
		return err
	}
	if err := p.Write("setgroups", groups); err != nil {
		return err
	}
	return p.Write("gid_map", lines(s.GIDs))
}
