// diagnosis: no-uid-map
//go:build linux && mine

package namespace

import "containerkit/02-namespaces/procfs"

func (s Spec) writeMaps(*procfs.Process) error { return nil }
