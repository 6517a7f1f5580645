//go:build linux && !mine

package network

// masquerade returns the rule that gives packets from the bridge's subnet the address of the link
// by which they leave.
func masquerade(b Bridge) ([]Rule, error) {
	return []Rule{rule("postrouting", from(b.Subnet), unless(outBy(b.Name)), count, masq)}, nil
}
