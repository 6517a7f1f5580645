// diagnosis: subnet-only

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
		to := &net.IPNet{IP: via.AsSlice(), Mask: net.CIDRMask(24, 32)}
		to.IP = to.IP.Mask(to.Mask)
		return netlink.RouteAdd(&netlink.Route{Dst: to, Gw: via.AsSlice()})
	})
}
