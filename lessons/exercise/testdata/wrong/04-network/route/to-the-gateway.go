// diagnosis: one-address-only

//go:build linux && mine

package network

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"containerkit/02-namespaces/procfs"
)

func DefaultRoute(p *procfs.Process, via netip.Addr) error {
	return In(p, func() error {
		l, err := netlink.LinkByName(Inside)
		if err != nil {
			return err
		}
		to := &net.IPNet{IP: via.AsSlice(), Mask: net.CIDRMask(32, 32)}
		return netlink.RouteAdd(&netlink.Route{Dst: to, LinkIndex: l.Attrs().Index})
	})
}
