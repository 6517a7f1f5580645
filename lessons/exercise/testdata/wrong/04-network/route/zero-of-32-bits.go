// diagnosis: zero-of-32-bits

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
		to := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(32, 32)}
		return netlink.RouteAdd(&netlink.Route{Dst: to, Gw: via.AsSlice()})
	})
}
