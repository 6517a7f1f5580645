// diagnosis: not-counted

//go:build linux && mine

package network

func masquerade(b Bridge) ([]Rule, error) {
	return []Rule{rule("postrouting", count, from(b.Subnet), unless(outBy(b.Name)), masq)}, nil
}
