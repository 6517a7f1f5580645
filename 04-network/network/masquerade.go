//go:build linux && !mine

package network

// masquerade: what comes from the bridge's subnet and leaves by another link leaves under that link's address.
func masquerade(b Bridge) ([]Rule, error) {
	return []Rule{rule("postrouting", from(b.Subnet), unless(outBy(b.Name)), count, masq)}, nil
}
