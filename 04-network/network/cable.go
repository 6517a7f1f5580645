//go:build linux && !mine

package network

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Cable lays a virtual Ethernet cable: what goes in at one end comes out at the other. One end, called here, is in
// our network namespace, the other, called there, in that of the process pid. Both are switched on. (veth(4).)
func Cable(pid int, here, there string) error {
	// The far end is born where it belongs, in the same message (IFLA_NET_NS_PID). Made here and moved later, it would
	// for a moment be a second "eth0" among the host's links, and fail if there is one.
	err := netlink.LinkAdd(&netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: here},
		PeerName:      there,
		PeerNamespace: netlink.NsPid(pid),
	})
	if err != nil {
		return fmt.Errorf("add veth pair %s and %s: %w", here, there, err)
	}
	// A veth carries nothing until both ends are up.
	if err := SetUp(0, here, true); err != nil {
		return err
	}
	return SetUp(pid, there, true)
}
