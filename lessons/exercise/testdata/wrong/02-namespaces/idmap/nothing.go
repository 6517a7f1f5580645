// diagnosis: no-uid-map
//go:build linux && mine

package namespace

func (s Spec) writeMaps(int) error { return nil }
