//go:build linux && mine

// Exercise 04-network/veth: a cable leads from the host into the container
//
// Add a link of the kind veth: netlink.LinkAdd with a *netlink.Veth. Its one end, here, stays in our namespace; the other
// one, there, belongs into that of the process p: namespaceOf (in.go) opens it, and netlink.NsFd names it by its descriptor.
// Then switch both on: SetUp (link.go) does one, in either namespace.
//
// Read: veth(4), network_namespaces(7), go doc github.com/vishvananda/netlink Veth
// The reference also imports: fmt, github.com/vishvananda/netlink
// Check: go run ./lessons check 04-network/veth

package network

import (
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/todo"
)

// Cable creates a veth pair, which is like an Ethernet cable: what goes in at one end comes out at
// the other. One end, called here, is in our network namespace, the other, called there, in that of
// the process p (nil: ours, too). Both are brought up. (veth(4))
func Cable(p *procfs.Process, here, there string) error {
	return todo.Exercise("04-network/veth")
}
