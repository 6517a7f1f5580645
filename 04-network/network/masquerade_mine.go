//go:build linux && mine

// Exercise 04-network/masquerade: the internet answers the container
//
// Return one rule: in which chain it is asked, for which packets it is, and what it does to them. rules.go has the words:
// rule puts one together, from, to, inBy, outBy and unless are conditions, count counts, masq, drop and dnat act.
// The rule is for what comes from the bridge's subnet (b.Subnet) and leaves by another link than the bridge (b.Name); it counts
// such a packet before it acts.
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
