// diagnosis: crossed

//go:build linux && mine

package network

import (
	"github.com/vishvananda/netlink"
)

// LinkAttrs.Namespace is that of the end that LinkAttrs describe.
func Cable(pid int, here, there string) error {
	if err := netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: here, Namespace: netlink.NsPid(pid)},
		PeerName:  there,
	}); err != nil {
		return err
	}
	if err := SetUp(0, here, true); err != nil {
		return err
	}
	return SetUp(pid, there, true)
}
