// diagnosis: own-map
//go:build linux && mine

package namespace

import (
	"os"

	"containerkit/02-namespaces/procfs"
)

func (s Spec) writeMaps(*procfs.Process) error {
	groups := "deny"
	if s.Setgroups {
		groups = "allow"
	}
	for _, f := range [][2]string{{"uid_map", lines(s.UIDs)}, {"setgroups", groups}, {"gid_map", lines(s.GIDs)}} {
		if err := os.WriteFile("/proc/self/"+f[0], []byte(f[1]), 0); err != nil {
			return err
		}
	}
	return nil
}
