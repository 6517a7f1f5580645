// diagnosis: acts-first

//go:build linux && mine

package network

func masquerade(b Bridge) ([]Rule, error) {
	return []Rule{rule("postrouting", masq, from(b.Subnet), unless(outBy(b.Name)))}, nil
}
