// diagnosis: peer-left-here

//go:build linux && mine

package network

import (
	"github.com/vishvananda/netlink"

	"containerkit/02-namespaces/procfs"
)

func Cable(p *procfs.Process, here, there string) error {
	ns, err := namespaceOf(p)
	if err != nil {
		return err
	}
	defer ns.Close()
	return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: here}, PeerName: there, PeerNamespace: int(ns.Fd())})
}
