//go:build linux

package main

import (
	"fmt"
	"net/netip"

	"containerkit/04-network/network"
	"containerkit/lessons/kit/narrate"
)

func bridge(n *narrate.Narrator) error {
	ask(n, "Two containers have a cable to the host each. Why can they not talk, and what is missing?")
	w := &world{}
	defer w.end()
	br := network.Bridge{Name: "ck-bridge", Subnet: netip.MustParsePrefix("10.88.0.0/24")}
	names := []string{"ck-web", "ck-db"}
	var box []*node
	var addr []netip.Addr
	for _, cable := range names {
		b, err := w.node(cable[3:])
		if err != nil {
			return err
		}
		a, err := br.Next(addr...)
		if err != nil {
			return err
		}
		if err := network.Cable(b.proc, cable, network.Inside); err != nil {
			return noLinks(n, err)
		}
		if err := network.SetAddr(b.proc, network.Inside, a); err != nil {
			return err
		}
		box, addr = append(box, b), append(addr, a.Addr())
	}
	before, err := box[0].ask("ping", addr[1].String())
	if err != nil {
		return err
	}
	n.OldBefore("two cables end at the host, plugged into nothing; web pings db", narrate.Data{"ping": before.String()})
	n.OldEvidence("whom web found by asking for 10.88.0.3", lines(network.Neighbours(box[0].proc)))

	n.Do(narrate.Call{
		Text:   "make a switch and plug both cables into it",
		Go:     fmt.Sprintf("network.Bridge{%q, %s}.Create(); network.Plug(%q, %q); …", br.Name, br.Subnet, br.Name, names[0]),
		OldSys: "RTM_NEWLINK {IFLA_INFO_KIND bridge}; RTM_SETLINK {IFLA_MASTER}",
		Man:    "bridge(8), rtnetlink(7)",
		Hand:   fmt.Sprintf("ip link add %s type bridge; ip link set %s master %s", br.Name, names[0], br.Name),
		At:     network.Plug,
	})
	if err := br.Create(); err != nil {
		return noLinks(n, err)
	}
	if !n.Without {
		for _, cable := range names {
			if err := network.Plug(br.Name, cable); err != nil {
				return err
			}
		}
	}
	after, err := box[0].ask("ping", addr[1].String())
	if err != nil {
		return err
	}
	n.OldEvidence("the host's links", lines(network.Links(nil)))
	n.OldEvidence("whom web found now", lines(network.Neighbours(box[0].proc)))
	learned, err := network.Learned(br.Name)
	if err != nil {
		return err
	}
	n.OldEvidence("what the switch learned", learned)
	mac, err := network.MAC(box[1].proc, network.Inside)
	if err != nil {
		return err
	}
	n.OldProof("web reaches db through the bridge", after.ok(), after, before)
	n.OldProof("the switch has learned behind which port db's Ethernet address is (the control is an address that nobody has)",
		learned[mac] == names[1], quoted(learned[mac]), quoted(learned["02:00:00:00:00:00"]))

	gateway, err := box[0].ask("ping", br.Gateway().Addr().String())
	if err != nil {
		return err
	}
	n.OldProof("the host takes part in the subnet at the bridge's own address",
		gateway.ok(), gateway, before)
	n.Note("A bridge is a switch: it looks at Ethernet addresses, and two containers on it need neither routes nor forwarding. " +
		"That the host has an address on it is an extra, which makes it the containers' gateway.")
	n.ByHand(
		`box=yes unshare -rnm sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`mount -t tmpfs tmpfs /run; ip netns add web; ip netns add db   # files in /run/netns`,
		`ip link add ck-bridge type bridge; ip link set ck-bridge up`,
		`ip link add ck-web type veth peer name eth0 netns web; ip link set ck-web master ck-bridge up`,
		`ip link add ck-db type veth peer name eth0 netns db; ip link set ck-db master ck-bridge up`,
		`ip -n web addr add 10.88.0.2/24 dev eth0; ip -n web link set eth0 up`,
		`ip -n db addr add 10.88.0.3/24 dev eth0; ip -n db link set eth0 up`,
		`nsenter --net=/run/netns/web ping -c 1 -W 3 10.88.0.3`,
		`bridge fdb show br ck-bridge`,
		`END`)
	n.Clean("bridge and cables are removed")
	return nil
}
