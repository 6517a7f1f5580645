// diagnosis: wrong-direction

//go:build linux && mine

package network

func masquerade(b Bridge) ([]Rule, error) {
	return []Rule{rule("postrouting", to(b.Gateway().Addr()), unless(outBy(b.Name)), count, masq)}, nil
}
