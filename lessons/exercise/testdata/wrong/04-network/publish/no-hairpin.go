// diagnosis: neighbor-unanswered

//go:build linux && mine

package network

import (
	"net/netip"
)

func publish(b Bridge, p Port) ([]Rule, error) {
	return []Rule{
		rule("prerouting", toUs, port(p.protocol(), p.Host), count, dnat(p.To, p.Port)),
		rule("output", toUs, port(p.protocol(), p.Host), count, dnat(p.To, p.Port)),
		rule("postrouting", from(netip.MustParsePrefix("127.0.0.0/8")), outBy(b.Name), count, masq),
	}, nil
}
