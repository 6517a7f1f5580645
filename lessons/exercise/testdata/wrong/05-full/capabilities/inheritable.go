// diagnosis: handed-on

//go:build linux && mine

package container

import "github.com/moby/sys/capability"

func KeepCapabilities() error {
	caps, err := capability.NewPid2(0)
	if err != nil {
		return err
	}
	caps.Clear(capability.CAPS | capability.BOUNDS | capability.AMBS)
	for _, k := range Kept {
		caps.Set(capability.CAPS|capability.BOUNDS, k.Cap)
	}
	return caps.Apply(capability.CAPS | capability.BOUNDS | capability.AMBS)
}
