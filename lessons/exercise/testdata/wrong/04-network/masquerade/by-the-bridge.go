// diagnosis: inverted

//go:build linux && mine

package network

func masquerade(b Bridge) ([]Rule, error) {
	return []Rule{rule("postrouting", from(b.Subnet), outBy(b.Name), count, masq)}, nil
}
