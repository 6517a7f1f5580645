// diagnosis: no-gateway

//go:build linux && mine

package network

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

func DefaultRoute(pid int, via netip.Addr) error {
	return In(pid, func() error {
		l, err := netlink.LinkByName(Inside)
		if err != nil {
			return err
		}
		everywhere := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
		return netlink.RouteAdd(&netlink.Route{Dst: everywhere, LinkIndex: l.Attrs().Index, Scope: netlink.SCOPE_LINK})
	})
}
