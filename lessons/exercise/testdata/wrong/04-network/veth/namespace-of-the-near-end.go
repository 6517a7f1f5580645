// diagnosis: crossed

//go:build linux && mine

package network

import (
	"github.com/vishvananda/netlink"

	"containerkit/02-namespaces/procfs"
)

// LinkAttrs.Namespace is that of the end that LinkAttrs describe.
func Cable(p *procfs.Process, here, there string) error {
	ns, err := namespaceOf(p)
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: here, Namespace: netlink.NsFd(int(ns.Fd()))},
		PeerName:  there,
	}); err != nil {
		return err
	}
	if err := SetUp(nil, here, true); err != nil {
		return err
	}
	return SetUp(p, there, true)
}
