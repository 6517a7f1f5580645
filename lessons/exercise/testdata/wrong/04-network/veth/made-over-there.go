// diagnosis: both-there

//go:build linux && mine

package network

import (
	"github.com/vishvananda/netlink"

	"containerkit/02-namespaces/procfs"
)

func Cable(p *procfs.Process, here, there string) error {
	if err := In(p, func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: here}, PeerName: there})
	}); err != nil {
		return err
	}
	if err := SetUp(p, here, true); err != nil {
		return err
	}
	return SetUp(p, there, true)
}
