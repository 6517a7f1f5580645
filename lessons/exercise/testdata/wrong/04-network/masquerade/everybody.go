// diagnosis: for-everybody

//go:build linux && mine

package network

func masquerade(b Bridge) ([]Rule, error) {
	return []Rule{rule("postrouting", unless(outBy(b.Name)), count, masq)}, nil
}
