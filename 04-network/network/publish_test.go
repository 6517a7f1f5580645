//go:build linux

package network_test

import (
	"errors"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/04-network/network"
	"containerkit/04-network/network/internet"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/errno"
)

type published struct {
	Lacking string // why it cannot be tried here
	Rules   string // as the kernel has them
	// Who reaches the container's server at the host's port, and how.
	Outside, Host, Loopback, Neighbor string
	// Elsewhere is a call of the neighbor to the same port of another machine, OtherPort one to another port of the host.
	Elsewhere, OtherPort string
}

var publishing = room.New("publish", unix.CLONE_NEWNET, func(p *published) error {
	if p.Lacking = translating(); p.Lacking != "" {
		return nil
	}
	web, err := attach("web", "10.88.0.2/24")
	if err != nil {
		return err
	}
	db, err := attach("db", "10.88.0.3/24")
	if err != nil {
		return err
	}
	out, err := hold()
	if err != nil {
		return err
	}
	if err := errors.Join(internet.Connect(out), lo.Up(), serve(web, ":80", "web"), serve(out, ":8080", "the internet"),
		network.DefaultRoute(out, internet.Host.Addr())); err != nil { // it knows the way, so no masquerading is needed
		return err
	}
	// Where the module br_netfilter is loaded, packets on a bridge pass the host's rules as if it were a router. That would
	// hide a neighbor's trouble: switch it off here, as it is where nobody loaded it.
	_ = os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("0"), 0o644)
	port := network.Port{Host: 8080, To: netip.MustParseAddr("10.88.0.2"), Port: 80}
	if err := network.Publish(network.Default, port); err != nil {
		return err
	}
	p.Rules = rules()
	byName := internet.Host.Addr().String() + ":8080"
	p.Outside, p.Host, p.Loopback = call(out, byName), call(nil, byName), call(nil, "127.0.0.1:8080")
	p.Neighbor, p.Elsewhere = call(db, byName), call(db, internet.Server.Addr().String()+":8080")
	p.OtherPort = call(out, internet.Host.Addr().String()+":8081")
	return nil
})

// A published port is reached by everybody who can reach the host, and nothing else is led away.
func TestPublish(t *testing.T) {
	saw, err := publishing.Run(t)
	if saw.Lacking != "" {
		t.Skip(saw.Lacking)
	}
	claim.State(t, "errno", errno.Outcome(err))
	claim.State(t, "rules", saw.Rules)
	claim.State(t, "from the internet", saw.Outside)
	claim.State(t, "from the host", saw.Host)
	claim.State(t, "from 127.0.0.1", saw.Loopback)
	claim.State(t, "from a neighbor", saw.Neighbor)
	claim.State(t, "a neighbor's call to the same port elsewhere", saw.Elsewhere)
	claim.State(t, "another port of the host", saw.OtherPort)
	claim.NoError(t, "the kernel takes the rules", err)
	claim.Equal(t, "the internet reaches the container at the host's port, and the server sees who it was", "a TCP connection", "web sees 203.0.113.80", saw.Outside)
	claim.Equal(t, "the host itself reaches it at that port", "a TCP connection", "web sees 203.0.113.1", saw.Host)
	claim.Equal(t, "also at 127.0.0.1", "a TCP connection", "web sees 10.88.0.1", saw.Loopback)
	claim.Equal(t, "a neighbor on the same bridge reaches it too, and the answer finds its way through the host", "a TCP connection", "web sees 10.88.0.1", saw.Neighbor)
	claim.Equal(t, "the same port of another machine still leads to that machine", "a TCP connection", "the internet sees 10.88.0.3", saw.Elsewhere)
	claim.Equal(t, "at another port of the host, where nobody listens, nobody answers", "a TCP connection", "ECONNREFUSED", saw.OtherPort)
}
