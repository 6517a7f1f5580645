// diagnosis: wrong-chain

//go:build linux && mine

package network

func masquerade(b Bridge) ([]Rule, error) {
	return []Rule{rule("prerouting", from(b.Subnet), count, masq)}, nil
}
