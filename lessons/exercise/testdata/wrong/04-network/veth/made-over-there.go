// diagnosis: both-there

//go:build linux && mine

package network

import (
	"github.com/vishvananda/netlink"
)

func Cable(pid int, here, there string) error {
	if err := In(pid, func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: here}, PeerName: there})
	}); err != nil {
		return err
	}
	if err := SetUp(pid, here, true); err != nil {
		return err
	}
	return SetUp(pid, there, true)
}
