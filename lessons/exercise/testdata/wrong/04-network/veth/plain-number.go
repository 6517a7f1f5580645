// diagnosis: peer-left-here

//go:build linux && mine

package network

import "github.com/vishvananda/netlink"

func Cable(pid int, here, there string) error {
	return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: here}, PeerName: there, PeerNamespace: pid})
}
