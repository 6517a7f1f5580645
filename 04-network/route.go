//go:build linux

package main

import (
	"containerkit/04-network/network"
	"containerkit/lessons/kit/narrate"
)

func route(n *narrate.Narrator) error {
	ask(n, "A container reaches its own subnet. What does it take to reach another one?")
	w := &world{}
	defer w.end()
	web, db, _, err := twoSubnets(w)
	if err != nil {
		return noLinks(n, err)
	}
	// A network namespace starts with the settings of the first one, so on a host that runs Docker this one forwards already.
	if err := network.Forwarding(false); err != nil {
		return noSysctl(n, err)
	}
	before, err := web.ask("ping", db.addr)
	if err != nil {
		return err
	}
	n.OldBefore("web (10.88.1.2) pings db (10.88.2.2); the host has an address on both subnets", narrate.Data{"ping": before.String()})
	n.OldEvidence("web's routes", lines(network.Routes(web.proc)))

	n.Do(narrate.Call{
		Text:   "tell both containers: everything else goes by way of the host",
		Go:     "network.DefaultRoute(web, 10.88.1.1)",
		OldSys: "RTM_NEWROUTE {RTA_GATEWAY 10.88.1.1}",
		Man:    "rtnetlink(7), ip-route(8)",
		Hand:   "ip route add default via 10.88.1.1",
		At:     network.DefaultRoute,
	})
	if !n.Without {
		for _, m := range []*machine{web, db} {
			if err := network.DefaultRoute(m.proc, m.bridge.Gateway().Addr()); err != nil {
				return err
			}
		}
	}
	n.OldEvidence("web's routes now", lines(network.Routes(web.proc)))
	routed, err := web.ask("ping", db.addr)
	if err != nil {
		return err
	}
	n.OldBefore("with a route, but the host does not forward", narrate.Data{"ping": routed.String()})

	n.Do(narrate.Call{
		Text:   "make the host a router: what comes in for others goes out again",
		Go:     "network.Forwarding(true)",
		OldSys: `write("/proc/sys/net/ipv4/ip_forward", "1")`,
		Man:    "ip(7)",
		Hand:   "echo 1 > /proc/sys/net/ipv4/ip_forward",
		At:     network.Forwarding,
	})
	if err := network.Forwarding(true); err != nil {
		return err
	}
	after, err := web.ask("ping", db.addr)
	if err != nil {
		return err
	}
	near, err := web.ask("ping", web.bridge.Gateway().Addr().String())
	if err != nil {
		return err
	}
	on, err := network.IsForwarding()
	if err != nil {
		return err
	}
	n.OldEvidence("ip_forward in the namespace that plays the host", on)
	n.OldProof("with the route and forwarding, web reaches the other subnet", after.ok(), after, before)
	n.OldProof("the route alone was not enough: the host must forward as well (the control is the ping with the route alone)",
		after.ok() && !routed.ok(), after, routed)
	n.OldProof("a router stands between: it took one off the packet's time to live (the control is the host's own answer)",
		after.ok() && near.ok() && after.Text != near.Text, after, near)
	n.Note("Without a route the error comes at once and from the container's own kernel. With a route and no router there is no " +
		"error at all: the packet leaves, and nobody answers.")
	n.Note("\"No packets\" on a host with Docker is often its firewall: it turns ip_forward on and sets the policy of iptables' FORWARD chain to DROP.")
	n.ByHand(
		`box=yes unshare -rnm sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`mount -t tmpfs tmpfs /run; ip netns add web; ip netns add db   # files in /run/netns`,
		`ip link add ck-web type veth peer name eth0 netns web; ip addr add 10.88.1.1/24 dev ck-web; ip link set ck-web up`,
		`ip link add ck-db type veth peer name eth0 netns db; ip addr add 10.88.2.1/24 dev ck-db; ip link set ck-db up`,
		`ip -n web addr add 10.88.1.2/24 dev eth0; ip -n web link set eth0 up`,
		`ip -n db addr add 10.88.2.2/24 dev eth0; ip -n db link set eth0 up`,
		`nsenter --net=/run/netns/web ping -c 1 -W 1 10.88.2.2 || echo "no route"`,
		`ip -n web route add default via 10.88.1.1; ip -n db route add default via 10.88.2.1`,
		`echo 1 > /proc/sys/net/ipv4/ip_forward`,
		`nsenter --net=/run/netns/web ping -c 1 -W 3 10.88.2.2`,
		`END`)
	n.Clean("bridges and cables are removed, and the namespace forwards no longer")
	return nil
}
