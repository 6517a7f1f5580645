//go:build linux

package network_test

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/04-network/network"
	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/errno"
)

type routed struct {
	Lacking     string // why it cannot be tried here
	Here, There string // the routes
	Before      string // calling beyond the subnet
	After       string
}

var routing = room.New("route", unix.CLONE_NEWNET, func(r *routed) error {
	if r.Lacking = cables() + forwarding(); r.Lacking != "" {
		return nil
	}
	box, err := hold()
	if err != nil {
		return err
	}
	out, err := hold()
	if err != nil {
		return err
	}
	// A container, the host, and somebody behind the host who knows the way back.
	if err := errors.Join(
		network.Cable(box, "ck-web", network.Inside),
		network.SetAddr(nil, "ck-web", netip.MustParsePrefix("10.88.0.1/24")),
		network.SetAddr(box, network.Inside, netip.MustParsePrefix("10.88.0.2/24")),
		network.Cable(out, "ck-out", network.Inside),
		network.SetAddr(nil, "ck-out", netip.MustParsePrefix("10.88.9.1/24")),
		network.SetAddr(out, network.Inside, netip.MustParsePrefix("10.88.9.2/24")),
	); err != nil {
		return err
	}
	r.Before = ping(box, "10.88.9.2")
	err = network.DefaultRoute(box, netip.MustParseAddr("10.88.0.1"))
	r.Here, r.There = routes(nil), routes(box)
	if err != nil {
		return err
	}
	if err := network.DefaultRoute(out, netip.MustParseAddr("10.88.9.1")); err != nil {
		return err
	}
	r.After = ping(box, "10.88.9.2")
	return nil
})

// With a default route, what is beyond the subnet can be reached via the gateway.
func TestDefaultRoute(t *testing.T) {
	saw, err := routing.Run(t)
	if saw.Lacking != "" {
		t.Skip(saw.Lacking)
	}
	claim.State(t, "errno", errno.Outcome(err))
	claim.State(t, "routes of the container", saw.There)
	claim.State(t, "routes of the host", saw.Here)
	claim.State(t, "ping", saw.After)
	claim.NoError(t, "DefaultRoute adds a route", err)
	claim.Equal(t, "the container has a default route via the gateway", "RTM_GETROUTE in the container's namespace",
		"default via 10.88.0.1 dev eth0, 10.88.0.0/24 dev eth0", saw.There)
	claim.Equal(t, "the host's own routes are what they were", "RTM_GETROUTE in the host's namespace", "10.88.0.0/24 dev ck-web, 10.88.9.0/24 dev ck-out", saw.Here)
	claim.Equal(t, "without the route, the other subnet cannot be reached", "an ICMP echo request", "ENETUNREACH", saw.Before)
	claim.Equal(t, "with the route it can", "an ICMP echo request", "answered", saw.After)
}
