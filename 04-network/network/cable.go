//go:build linux && !mine

package network

import (
	"fmt"

	"github.com/vishvananda/netlink"

	"containerkit/02-namespaces/procfs"
)

// Cable creates a veth pair, which is like an Ethernet cable: what goes in at one end comes out at
// the other. One end, called here, is in our network namespace, the other, called there, in that of
// the process p (nil: ours, too). Both are brought up. (veth(4))
func Cable(p *procfs.Process, here, there string) error {
	ns, err := namespaceOf(p)
	if err != nil {
		return err
	}
	defer ns.Close()
	// The far end is created where it belongs, in the same message (IFLA_NET_NS_FD). Created here and
	// moved later, it would for a moment be a second "eth0" among the host's links, and fail if there
	// is one. A file descriptor names the namespace: a PID (IFLA_NET_NS_PID) can be given away.
	err = netlink.LinkAdd(&netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: here},
		PeerName:      there,
		PeerNamespace: netlink.NsFd(int(ns.Fd())),
	})
	if err != nil {
		return fmt.Errorf("add veth pair %s and %s: %w", here, there, err)
	}
	// A veth carries nothing until both ends are up.
	if err := SetUp(nil, here, true); err != nil {
		return err
	}
	return SetUp(p, there, true)
}
