// diagnosis: source-hidden

//go:build linux && mine

package network

func publish(b Bridge, p Port) ([]Rule, error) {
	return []Rule{
		rule("prerouting", toUs, port(p.protocol(), p.Host), count, dnat(p.To, p.Port)),
		rule("output", toUs, port(p.protocol(), p.Host), count, dnat(p.To, p.Port)),
		rule("postrouting", outBy(b.Name), redirected, count, masq),
	}, nil
}
