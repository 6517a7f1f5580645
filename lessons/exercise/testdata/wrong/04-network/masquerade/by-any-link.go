// diagnosis: for-neighbors-too

//go:build linux && mine

package network

func masquerade(b Bridge) ([]Rule, error) {
	return []Rule{rule("postrouting", from(b.Subnet), count, masq)}, nil
}
