// diagnosis: far-end-down

//go:build linux && mine

package network

import (
	"github.com/vishvananda/netlink"
)

func Cable(pid int, here, there string) error {
	if err := netlink.LinkAdd(&netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: here},
		PeerName:      there,
		PeerNamespace: netlink.NsPid(pid),
	}); err != nil {
		return err
	}
	return SetUp(0, here, true)
}
