//go:build linux && !mine

package network

import "net/netip"

// publish returns the rules that send packets for this port of the host to the container, from
// other machines (prerouting) and from the host itself (output). Every answer must come back
// through the host, which translates it.
func publish(b Bridge, p Port) ([]Rule, error) {
	return []Rule{
		rule("prerouting", toUs, port(p.protocol(), p.Host), count, dnat(p.To, p.Port)),
		rule("output", toUs, port(p.protocol(), p.Host), count, dnat(p.To, p.Port)),
		// A packet from 127.0.0.1 needs a source address that the container can answer.
		rule("postrouting", from(netip.MustParsePrefix("127.0.0.0/8")), outBy(b.Name), count, masq),
		// The container would answer a neighbor on the same bridge directly, without the host, from
		// an address that the neighbor did not call.
		rule("postrouting", from(b.Subnet), to(p.To), outBy(b.Name), redirected, count, masq),
	}, nil
}
