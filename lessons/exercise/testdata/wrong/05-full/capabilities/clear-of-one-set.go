// diagnosis: effective-left

//go:build linux && mine

package container

import (
	"github.com/moby/sys/capability"
)

func KeepCapabilities() error {
	caps, err := capability.NewPid2(0)
	if err != nil {
		return err
	}
	if err := caps.Load(); err != nil {
		return err
	}
	caps.Clear(capability.EFFECTIVE | capability.BOUNDING)
	for _, k := range Kept {
		caps.Set(capability.EFFECTIVE|capability.BOUNDING, k.Cap)
	}
	return caps.Apply(capability.CAPS | capability.BOUNDS)
}
