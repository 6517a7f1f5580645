//go:build linux

package main

import (
	"fmt"
	"net/netip"

	"containerkit/04-network/network"
	"containerkit/lessons/kit/narrate"
)

func bridge(n *narrate.Narrator) error {
	ask(n, "How do two containers on the same Docker network reach each other?",
		"A bridge is a switch in the kernel: a link attached to it becomes a port. It learns "+
			"which Ethernet (MAC) address is behind which port and forwards frames there. That "+
			"takes no route and no IP forwarding.")
	w := &world{}
	defer w.end()
	br := network.Bridge{Name: "ck-bridge", Subnet: netip.MustParsePrefix("10.88.0.0/24")}
	web, db, err := unattached(w, br)
	if err != nil {
		return noLinks(n, err)
	}
	ends := []string{"ck-web", "ck-db"}
	gateway := br.Gateway().Addr().String()
	before, err := web.pings(db.addr, gateway)
	if err != nil {
		return err
	}
	n.Control("Before: each container has a veth pair, and web pings db and the host",
		show("ping web to db", before[0]),
		show("ping web to host", before[1]))
	n.Detail(narrate.Show("ARP in web", lines(network.Neighbors(web.proc))))

	n.Do(narrate.Call{
		Text: "Create a bridge and attach the host's end of each veth pair",
		Sys: [][2]string{
			{"sendto(RTM_NEWLINK {bridge ck-bridge})", "the switch"},
			{"sendto(RTM_NEWADDR {10.88.0.1/24})", "the host's own address on it"},
			{"sendto(RTM_SETLINK {IFLA_MASTER ck-bridge})", "makes each end a port"}},
		Go: fmt.Sprintf("network.Bridge{%q, %s}.Create(); network.Plug(%q, %q); …",
			br.Name, br.Subnet, br.Name, ends[0]),
		Man:  "bridge(8), rtnetlink(7)",
		Hand: "ip link add ck-bridge type bridge; ip link set ck-web master ck-bridge",
		At:   network.Plug, Without: "Create a bridge, but attach nothing to it",
	})
	empty, err := attach(n, br, ends)
	if err != nil {
		return noLinks(n, err)
	}
	after, err := web.pings(db.addr, gateway)
	if err != nil {
		return err
	}
	n.Detail(narrate.Show("links on the host", lines(network.Links(nil))),
		narrate.Show("ARP in web", lines(network.Neighbors(web.proc))))
	n.Proof("web reaches db through the bridge", after[0].ok(),
		compare("ping web to db", after[0], "before", before[0]))
	if err := learned(n, br, web, db, empty); err != nil {
		return err
	}
	n.Proof("web reaches the host at the bridge's own address", after[1].ok(),
		compare("ping web to host", after[1], "before", before[1]))
	n.Why("docker network create makes such a bridge; docker0 is the default one.")
	n.WithDocker("docker network create app; docker run --network app …", bridgeByHand)
	n.Clean("the bridge and the veth pairs are gone")
	return nil
}

const bridgeByHand = `box=yes unshare -rnm sh -e <<'END'
[ "$box" ] || exit   # not on your machine
mount -t tmpfs tmpfs /run; ip netns add web; ip netns add db   # files in /run/netns
ip link add ck-bridge type bridge; ip link set ck-bridge up
ip link add ck-web type veth peer name eth0 netns web; ip link set ck-web master ck-bridge up
ip link add ck-db type veth peer name eth0 netns db; ip link set ck-db master ck-bridge up
ip -n web addr add 10.88.0.2/24 dev eth0; ip -n web link set eth0 up
ip -n db addr add 10.88.0.3/24 dev eth0; ip -n db link set eth0 up
nsenter --net=/run/netns/web ping -c 1 -W 3 10.88.0.3
bridge fdb show br ck-bridge
END`

// unattached returns two containers, each with a veth pair and an address in the bridge's subnet.
// The host's ends are attached to nothing.
func unattached(w *world, br network.Bridge) (web, db *machine, err error) {
	var both []*machine
	var taken []netip.Addr
	for _, name := range []string{"web", "db"} {
		box, err := w.node(name)
		if err != nil {
			return nil, nil, err
		}
		addr, err := br.Next(taken...)
		if err != nil {
			return nil, nil, err
		}
		if err := network.Cable(box.proc, network.LinkName(name), network.Inside); err != nil {
			return nil, nil, err
		}
		if err := network.SetAddr(box.proc, network.Inside, addr); err != nil {
			return nil, nil, err
		}
		both = append(both, &machine{box, br, addr.Addr().String()})
		taken = append(taken, addr.Addr())
	}
	return both[0], both[1], nil
}

// attach creates the bridge and attaches the host's ends to it. It returns what the bridge had learned
// without ports.
func attach(n *narrate.Narrator, br network.Bridge, ends []string) (map[string]string, error) {
	if err := br.Create(); err != nil {
		return nil, err
	}
	empty, err := network.Learned(br.Name)
	if err != nil {
		return nil, err
	}
	if !n.Without {
		for _, end := range ends {
			if err := network.Plug(br.Name, end); err != nil {
				return nil, err
			}
		}
	}
	return empty, nil
}

// learned shows which port the bridge has learned for the MAC address of each container.
func learned(n *narrate.Narrator, br network.Bridge, web, db *machine,
	empty map[string]string) error {
	after, err := network.Learned(br.Name)
	if err != nil {
		return err
	}
	ok := true
	var rows []narrate.Row
	for _, m := range []*machine{web, db} {
		mac, err := network.MAC(m.proc, network.Inside)
		if err != nil {
			return err
		}
		ok = ok && after[mac] == network.LinkName(m.name)
		rows = append(rows, narrate.Compare("port of "+m.name+"'s MAC", orNone(after[mac]),
			"no ports", orNone(empty[mac])))
		n.Detail(narrate.Show("MAC of "+m.name, mac))
	}
	n.Proof("The bridge learns which port leads to which container", ok, rows...)
	return nil
}
