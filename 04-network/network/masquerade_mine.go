//go:build linux && mine

// Exercise 04-network/masquerade: the internet answers the container
//
// Return one rule: its chain, the packets that it matches, and what it does to them.
// rules.go has the words: rule builds one; from, to, inBy, outBy and unless are conditions; count
// counts; masq, drop and dnat act. The rule matches packets that come from the bridge's subnet
// (b.Subnet) and leave through another link than the bridge (b.Name). It counts such a packet
// before it acts.
//
// Read: nft(8), "NAT STATEMENTS" and "ADDRESS FAMILIES", rules.go, the hooks
// Check: go run ./lessons check 04-network/masquerade

package network

import "containerkit/lessons/kit/todo"

// masquerade returns the rule that gives packets from the bridge's subnet the address of the link
// by which they leave.
func masquerade(b Bridge) ([]Rule, error) {
	return nil, todo.Exercise("04-network/masquerade")
}
