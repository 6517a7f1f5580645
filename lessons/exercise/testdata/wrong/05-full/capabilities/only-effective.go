// diagnosis: permitted-left

//go:build linux && mine

package container

import (
	"slices"

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
	for _, c := range capability.ListKnown() {
		if !slices.ContainsFunc(Kept, func(k Capability) bool { return k.Cap == c }) {
			caps.Unset(capability.EFFECTIVE|capability.BOUNDING, c)
		}
	}
	return caps.Apply(capability.CAPS | capability.BOUNDS)
}
