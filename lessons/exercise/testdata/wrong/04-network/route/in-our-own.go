// diagnosis: in-our-namespace

//go:build linux && mine

package network

import (
	"net/netip"

	"github.com/vishvananda/netlink"
)

func DefaultRoute(pid int, via netip.Addr) error {
	return netlink.RouteAdd(&netlink.Route{Gw: via.AsSlice()})
}
