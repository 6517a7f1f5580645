//go:build linux && !mine

package network

import "net/netip"

// publish: what is addressed to the host at this port goes to the container instead, be it from afar (prerouting) or
// from the host itself (output). And every answer finds its way back through the host, which has to translate it.
func publish(b Bridge, p Port) ([]Rule, error) {
	return []Rule{
		rule("prerouting", toUs, port(p.protocol(), p.Host), count, dnat(p.To, p.Port)),
		rule("output", toUs, port(p.protocol(), p.Host), count, dnat(p.To, p.Port)),
		// Who came as 127.0.0.1 must get an address that the container can answer to.
		rule("postrouting", from(netip.MustParsePrefix("127.0.0.0/8")), outBy(b.Name), count, masq),
		// A container of the same bridge would be answered directly, past the host, by an address that it never called.
		rule("postrouting", from(b.Subnet), to(p.To), outBy(b.Name), redirected, count, masq),
	}, nil
}
