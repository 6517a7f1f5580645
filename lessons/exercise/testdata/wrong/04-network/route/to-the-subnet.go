// diagnosis: subnet-only

//go:build linux && mine

package network

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

func DefaultRoute(pid int, via netip.Addr) error {
	return In(pid, func() error {
		to := &net.IPNet{IP: via.AsSlice(), Mask: net.CIDRMask(24, 32)}
		to.IP = to.IP.Mask(to.Mask)
		return netlink.RouteAdd(&netlink.Route{Dst: to, Gw: via.AsSlice()})
	})
}
