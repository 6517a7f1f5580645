//go:build linux

package main

import (
	"fmt"
	"net/netip"

	"containerkit/04-network/network"
	"containerkit/lessons/kit/narrate"
)

func veth(n *narrate.Narrator) error {
	ask(n, "A container has only its loopback. How does a packet get from the host to it?")
	w := &world{}
	defer w.end()
	box, err := w.node("container")
	if err != nil {
		return err
	}
	const cable = "ck-web"
	host, inside := netip.MustParsePrefix("10.88.0.1/24"), netip.MustParsePrefix("10.88.0.2/24")
	before := here("ping", inside.Addr().String())
	n.OldBefore("the host pings the container, which it has no cable to", narrate.Data{"ping": before.String()})
	n.OldEvidence("the container's links", lines(network.Links(box.proc)))

	n.Do(narrate.Call{
		Text:   "lay a cable: one end here, the other in the container; each gets an address",
		Go:     fmt.Sprintf("network.Cable(container, %q, %q); network.SetAddr(…)", cable, network.Inside),
		OldSys: "RTM_NEWLINK {IFLA_INFO_KIND veth, VETH_INFO_PEER {eth0, IFLA_NET_NS_FD}}; RTM_NEWADDR",
		Man:    "veth(4), rtnetlink(7)",
		Hand:   fmt.Sprintf("ip link add %s type veth peer name eth0 netns %d; ip addr add %s dev %s", cable, box.proc.PID, host, cable),
		At:     network.Cable,
	})
	var outer, inner network.Link
	if !n.Without {
		if err := network.Cable(box.proc, cable, network.Inside); err != nil {
			return noLinks(n, err)
		}
		if err := network.SetAddr(nil, cable, host); err != nil {
			return err
		}
		if err := network.SetAddr(box.proc, network.Inside, inside); err != nil {
			return err
		}
		if outer, err = network.FindLink(nil, cable); err != nil {
			return err
		}
		if inner, err = network.FindLink(box.proc, network.Inside); err != nil {
			return err
		}
	}
	after := here("ping", inside.Addr().String())
	n.OldEvidence("the host's links", lines(network.Links(nil)))
	n.OldEvidence("the container's links", lines(network.Links(box.proc)))
	n.OldEvidence("whom the host found by asking on the cable", lines(network.Neighbours(nil)))
	n.OldProof("the host reaches the container over the cable", after.ok(), after, before)
	loop, err := network.FindLink(box.proc, "lo")
	if err != nil {
		return err
	}
	n.OldProof("each end names the other's number as its peer, across the namespaces (the control is lo, which has no other end)",
		outer.Peer != 0 && outer.Peer == inner.Index && inner.Peer == outer.Index,
		fmt.Sprintf("peers %d and %d", outer.Peer, inner.Peer), fmt.Sprintf("peer %d", loop.Peer))

	// What happens at one end is felt at the other, as with a cable of copper.
	if !n.Without {
		if err := network.SetUp(nil, cable, false); err != nil {
			return err
		}
		if inner, err = network.FindLink(box.proc, network.Inside); err != nil {
			return err
		}
	}
	pulled, err := box.ask("ping", host.Addr().String())
	if err != nil {
		return err
	}
	if !n.Without {
		if err := network.SetUp(nil, cable, true); err != nil {
			return err
		}
	}
	plugged, err := box.ask("ping", host.Addr().String())
	if err != nil {
		return err
	}
	n.OldEvidence("eth0 while the host's end is down", inner)
	n.OldProof("one end switched off is a cable pulled out; the container reaches the host once it is on again",
		!pulled.ok() && plugged.ok(), plugged, pulled)
	n.Note("Older texts make both ends on the host, move one (`ip link set … netns`) and rename it. The netlink message takes " +
		"the other end's namespace and name at once, so that no second eth0 is on the host even for a moment.")
	n.ByHand(
		`box=yes unshare -rnm sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`mount -t tmpfs tmpfs /run; ip netns add web   # files in /run/netns`,
		`ip link add ck-web type veth peer name eth0 netns web`,
		`ip addr add 10.88.0.1/24 dev ck-web; ip link set ck-web up`,
		`ip -n web addr add 10.88.0.2/24 dev eth0; ip -n web link set eth0 up`,
		`ip -br addr; ip -n web -br addr`,
		`ping -c 1 10.88.0.2`,
		`END`)
	n.Clean("the cable is removed: deleting one end deletes both")
	return nil
}
