//go:build linux && !mine

package container

import (
	"fmt"

	"github.com/moby/sys/capability"
)

// KeepCapabilities drops all but Kept from the calling thread, in every set: what it can use, what it could take into use,
// and what a program that it executes as root would be given. (capabilities(7), "Thread capability sets" and
// "Capability bounding set".)
func KeepCapabilities() error {
	caps, err := capability.NewPid2(0) // 0: the calling thread
	if err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	caps.Clear(capability.CAPS | capability.BOUNDS | capability.AMBS)
	for _, k := range Kept {
		caps.Set(capability.EFFECTIVE|capability.PERMITTED|capability.BOUNDING, k.Cap)
	}
	// From the bounding set first: that needs CAP_SETPCAP, which must then still be there. With a capability out of the
	// bounding set, not even root's execve brings it back.
	if err := caps.Apply(capability.CAPS | capability.BOUNDS | capability.AMBS); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}
