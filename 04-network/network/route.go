//go:build linux && !mine

package network

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"

	"containerkit/02-namespaces/procfs"
)

// DefaultRoute adds, in the network namespace of the process p (nil: ours), the route for packets that no
// other route knows. (ip-route(8))
func DefaultRoute(p *procfs.Process, via netip.Addr) error {
	return In(p, func() error {
		err := netlink.RouteAdd(&netlink.Route{Gw: via.AsSlice()})
		if err != nil {
			return fmt.Errorf("add default route via %s: %w", via, err)
		}
		return nil
	})
}
