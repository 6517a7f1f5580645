//go:build linux

package network_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/04-network/network"
	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
)

type cabled struct {
	Lacking     string // why it cannot be tried here
	Here, There string // the links, before anything else is done
	Near, Far   network.Link
	Ping        string
}

var cabling = room.New("cable", unix.CLONE_NEWNET, func(c *cabled) error {
	if c.Lacking = cables(); c.Lacking != "" {
		return nil
	}
	box, err := hold()
	if err != nil {
		return err
	}
	err = network.Cable(box, "ck-web", network.Inside)
	c.Here, c.There = linkNames(nil), linkNames(box)
	c.Near, _ = network.FindLink(nil, "ck-web")
	c.Far, _ = network.FindLink(box, network.Inside)
	if err == nil && c.Near.Name != "" && c.Far.Name != "" {
		if err := errors.Join(network.SetAddr(nil, "ck-web", netip.MustParsePrefix("10.88.0.1/24")),
			network.SetAddr(box, network.Inside, netip.MustParsePrefix("10.88.0.2/24"))); err != nil {
			return err
		}
		c.Ping = ping(nil, "10.88.0.2")
	}
	return err
})

// A cable has one end here and the other in the container's namespace, and both are on.
func TestCable(t *testing.T) {
	saw, err := cabling.Run(t)
	if saw.Lacking != "" {
		t.Skip(saw.Lacking)
	}
	claim.State(t, "links here", saw.Here)
	claim.State(t, "links there", saw.There)
	claim.State(t, "ping", saw.Ping)
	claim.NoError(t, "Cable lays a cable", err)
	claim.Equal(t, "its one end, ck-web, is the only new link on the host, and is on", "RTM_GETLINK in the host's namespace", "lo down, ck-web up", saw.Here)
	claim.Equal(t, "its other end, eth0, is in the container's namespace, and is on", "RTM_GETLINK in the container's namespace", "lo down, eth0 up", saw.There)
	claim.True(t, "each end names the other one's number as its peer", "IFLA_LINK of both", saw.Near.Peer == saw.Far.Index && saw.Far.Peer == saw.Near.Index,
		"two ends of one cable", fmt.Sprintf("%v and %v", saw.Near, saw.Far))
	claim.Equal(t, "with an address at each end, the host reaches the container", "an ICMP echo request", "answered", saw.Ping)
}
