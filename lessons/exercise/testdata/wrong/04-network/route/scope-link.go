// diagnosis: scope-link

//go:build linux && mine

package network

import (
	"net/netip"

	"github.com/vishvananda/netlink"

	"containerkit/02-namespaces/procfs"
)

func DefaultRoute(p *procfs.Process, via netip.Addr) error {
	return In(p, func() error {
		return netlink.RouteAdd(&netlink.Route{Gw: via.AsSlice(), Scope: netlink.SCOPE_LINK})
	})
}
