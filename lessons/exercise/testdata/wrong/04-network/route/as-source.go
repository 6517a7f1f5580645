// diagnosis: no-way

//go:build linux && mine

package network

import (
	"net/netip"

	"github.com/vishvananda/netlink"
)

func DefaultRoute(pid int, via netip.Addr) error {
	return In(pid, func() error { return netlink.RouteAdd(&netlink.Route{Src: via.AsSlice()}) })
}
