//go:build linux && !mine

package container

import (
	"fmt"

	"github.com/moby/sys/capability"
)

// KeepCapabilities drops all capabilities except Kept from the calling thread, in every set:
// effective, permitted, inheritable, ambient and bounding. The bounding set limits the programs
// that it execs as root. (capabilities(7), "Thread capability sets" and "Capability bounding set")
func KeepCapabilities() error {
	caps, err := capability.NewPid2(0) // 0: the calling thread
	if err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	caps.Clear(capability.CAPS | capability.BOUNDS | capability.AMBS)
	for _, k := range Kept {
		caps.Set(capability.EFFECTIVE|capability.PERMITTED|capability.BOUNDING, k.Cap)
	}
	// Apply starts with the bounding set, because that needs CAP_SETPCAP. A capability that is not
	// in the bounding set does not come back, not even when root execs a program.
	if err := caps.Apply(capability.CAPS | capability.BOUNDS | capability.AMBS); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}
