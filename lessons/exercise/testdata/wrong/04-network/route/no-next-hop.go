// diagnosis: no-gateway

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
		everywhere := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
		return netlink.RouteAdd(&netlink.Route{Dst: everywhere, LinkIndex: l.Attrs().Index, Scope: netlink.SCOPE_LINK})
	})
}
