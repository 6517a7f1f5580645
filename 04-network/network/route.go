//go:build linux && !mine

package network

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// DefaultRoute says, in the namespace of pid (0: ours), where packets go that no other route knows.
func DefaultRoute(pid int, via netip.Addr) error {
	return In(pid, func() error {
		err := netlink.RouteAdd(&netlink.Route{Gw: via.AsSlice()})
		if err != nil {
			return fmt.Errorf("add default route via %s: %w", via, err)
		}
		return nil
	})
}
