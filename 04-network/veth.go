//go:build linux

package main

import (
	"fmt"
	"net/netip"

	"containerkit/02-namespaces/procfs"
	"containerkit/04-network/network"
	"containerkit/lessons/kit/narrate"
)

func veth(n *narrate.Narrator) error {
	ask(n, "How does a container get its eth0?",
		"A veth pair is like an Ethernet cable: what goes in at one end comes out at the other. "+
			"The two ends can be in different network namespaces.")
	w := &world{}
	defer w.end()
	web, err := w.node("web")
	if err != nil {
		return err
	}
	const end = "ck-web"
	host, inside := netip.MustParsePrefix("10.88.0.1/24"), netip.MustParsePrefix("10.88.0.2/24")
	before := here("ping", inside.Addr().String())
	n.Control("Before: the container web has only lo, and the host pings web",
		narrate.Show("links in web", lines(network.Links(web.proc))),
		show("ping host to web", before))

	n.Do(narrate.Call{
		Text: "Create a veth pair: one end on the host, the other in web, named eth0",
		Sys: [][2]string{
			{"sendto(RTM_NEWLINK {veth ck-web, peer eth0})", "both ends, in two namespaces"},
			{"sendto(RTM_NEWLINK {IFF_UP})", "brings each end up"},
			{"sendto(RTM_NEWADDR {10.88.0.1/24})", "an address for each end"}},
		Go:  fmt.Sprintf("network.Cable(web, %q, %q); network.SetAddr(…)", end, network.Inside),
		Man: "veth(4), rtnetlink(7)",
		Hand: "ip link add ck-web type veth peer name eth0 netns PID; " +
			"ip addr add 10.88.0.1/24 dev ck-web",
		At: network.Cable, Without: "Create no veth pair",
	})
	if !n.Without {
		if err := connect(web, end, host, inside); err != nil {
			return noLinks(n, err)
		}
	}
	n.Evidence(narrate.Show("links on the host", lines(network.Links(nil))),
		narrate.Show("links in web", lines(network.Links(web.proc))))
	after := here("ping", inside.Addr().String())
	n.Detail(narrate.Show("ARP on the host", lines(network.Neighbors(nil))))
	n.Proof("The host reaches the container over the veth pair", after.ok(),
		compare("ping host to web", after, "before", before))
	if err := peers(n, web, end); err != nil {
		return err
	}
	if err := unplugged(n, web, end, host); err != nil {
		return err
	}
	n.Why("each docker run creates a veth pair; ip link on your host lists the other end.")
	n.WithDocker("docker run --rm busybox ip addr show eth0", vethByHand)
	n.Clean("the veth pair is gone: deleting one end deletes both")
	return nil
}

const vethByHand = `box=yes unshare -rnm sh -e <<'END'
[ "$box" ] || exit   # not on your machine
mount -t tmpfs tmpfs /run; ip netns add web   # files in /run/netns
ip link add ck-web type veth peer name eth0 netns web
ip addr add 10.88.0.1/24 dev ck-web; ip link set ck-web up
ip -n web addr add 10.88.0.2/24 dev eth0; ip -n web link set eth0 up
ip -br addr; ip -n web -br addr
ping -c 1 10.88.0.2
END`

// connect creates the veth pair and gives each end its address.
func connect(m *node, end string, host, inside netip.Prefix) error {
	if err := network.Cable(m.proc, end, network.Inside); err != nil {
		return err
	}
	if err := network.SetAddr(nil, end, host); err != nil {
		return err
	}
	return network.SetAddr(m.proc, network.Inside, inside)
}

// peers shows that each end knows the index of the other one, in the other namespace.
func peers(n *narrate.Narrator, m *node, end string) error {
	outer, err := link(nil, end)
	if err != nil {
		return err
	}
	inner, err := link(m.proc, network.Inside)
	if err != nil {
		return err
	}
	loop, err := network.FindLink(m.proc, "lo")
	if err != nil {
		return err
	}
	got := "none"
	if outer.Name != "" {
		got = fmt.Sprintf("%s %d, %s %d", end, outer.Peer, network.Inside, inner.Peer)
	}
	n.Proof("Each end names the other end as its peer",
		outer.Peer != 0 && outer.Peer == inner.Index && inner.Peer == outer.Index,
		narrate.Compare("index of the peer", got, "lo", loop.Peer))
	return nil
}

// unplugged shows that bringing down one end is like pulling out a cable.
func unplugged(n *narrate.Narrator, m *node, end string, host netip.Prefix) error {
	// try pings the host, with its end of the pair up or down.
	try := func(up bool) (ping report, eth0 string, err error) {
		if !n.Without {
			if err := network.SetUp(nil, end, up); err != nil {
				return ping, eth0, err
			}
		}
		if ping, err = m.ask("ping", host.Addr().String()); err != nil {
			return ping, eth0, err
		}
		eth0, err = carrier(m.proc)
		return ping, eth0, err
	}
	down, eth0Down, err := try(false)
	if err != nil {
		return err
	}
	up, eth0Up, err := try(true)
	if err != nil {
		return err
	}
	n.Proof("Bringing down the host's end disconnects the container", !down.ok() && up.ok(),
		compare("ping web to host", down, "ck-web up again", up),
		narrate.Compare("eth0 in web", eth0Down, "ck-web up again", eth0Up))
	return nil
}

// carrier reports whether eth0 in the network namespace of p can carry packets.
func carrier(p *procfs.Process) (string, error) {
	l, err := link(p, network.Inside)
	switch {
	case err != nil:
		return "", err
	case l.Name == "":
		return "none", nil
	case l.Ready:
		return "up", nil
	}
	return "no carrier", nil
}
