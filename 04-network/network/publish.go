//go:build linux

package network

import "net/netip"

// publish: what is addressed to the host at this port goes to the container instead, be it from afar (prerouting) or
// from the host itself (output). The last rule: who came as 127.0.0.1 must get an address that the container can
// answer to; and a container of the same bridge, whose answer would else go straight back, past the host that has to
// translate it, is answered through the host too.
func publish(b Bridge, p Port) ([]Rule, error) {
	return []Rule{
		rule("prerouting", toUs, port(p.protocol(), p.Host), count, dnat(p.To, p.Port)),
		rule("output", toUs, port(p.protocol(), p.Host), count, dnat(p.To, p.Port)),
		rule("postrouting", from(netip.MustParsePrefix("127.0.0.0/8")), outBy(b.Name), count, masq),
		rule("postrouting", from(b.Subnet), to(p.To), outBy(b.Name), redirected, count, masq),
	}, nil
}
