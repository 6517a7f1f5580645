//go:build linux && !mine

package network

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"

	"containerkit/02-namespaces/procfs"
)

// DefaultRoute adds the default route in the network namespace of the process p (nil: ours):
// packets without a more specific route go there. (ip-route(8))
func DefaultRoute(p *procfs.Process, via netip.Addr) error {
	return In(p, func() error {
		err := netlink.RouteAdd(&netlink.Route{Gw: via.AsSlice()})
		if err != nil {
			return fmt.Errorf("add default route via %s: %w", via, err)
		}
		return nil
	})
}
