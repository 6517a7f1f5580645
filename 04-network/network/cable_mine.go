//go:build linux && mine

// Exercise 04-network/veth: a veth pair connects the host and the container
//
// Add a link of the type veth: netlink.LinkAdd with a *netlink.Veth. One end, here,
// stays in our network namespace. The other end, there, belongs in that of the process p:
// namespaceOf (in.go) opens it, and netlink.NsFd names it by its file descriptor. Then bring both
// ends up: SetUp (link.go) brings up one, in either namespace.
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
