//go:build linux && mine

// Exercise 04-network/publish: a port of the host leads to a server in the container
//
// Return the rules; rules.go has the words. dnat(p.To, p.Port) gives a packet its new
// destination. It is for packets that are addressed to this host (toUs) at the port p.Host (port,
// p.protocol()). Packets from outside and packets of the host's own processes traverse different
// chains.
//
// Then take care of the answers. A caller at 127.0.0.1 and a caller on the bridge must get their
// answer through the host, because only the host knows what it changed. So the container must see
// the host as the caller (masq). The condition redirected matches connections whose destination was
// changed.
//
// Read: nft(8), "NAT STATEMENTS", rules.go, the hooks, Documentation/networking/ip-sysctl.rst, route_localnet
// The reference also imports: net/netip
// Check: go run ./lessons check 04-network/publish

package network

import "containerkit/lessons/kit/todo"

// publish returns the rules that send packets for this port of the host to the container, from
// other machines (prerouting) and from the host itself (output). Every answer must come back
// through the host, which translates it.
func publish(b Bridge, p Port) ([]Rule, error) {
	return nil, todo.Exercise("04-network/publish")
}
