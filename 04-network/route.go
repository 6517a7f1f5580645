//go:build linux

package main

import (
	"fmt"

	"containerkit/04-network/network"
	"containerkit/lessons/kit/narrate"
)

func route(n *narrate.Narrator) error {
	ask(n, "Why can't a container reach a container on another subnet?",
		"The kernel sends a packet only where its routing table has a route. A host on both "+
			"subnets is a router between them only if IP forwarding is on.")
	w := &world{}
	defer w.end()
	web, db, _, err := twoSubnets(w)
	if err != nil {
		return noLinks(n, err)
	}
	// A new network namespace copies ip_forward from the initial one: on a Docker host it is 1.
	if err := network.Forwarding(false); err != nil {
		return noSysctl(n, err)
	}
	before, err := web.ask("ping", db.addr)
	if err != nil {
		return err
	}
	n.Control("Before: web is on 10.88.1.0/24, db on 10.88.2.0/24, the host on both",
		narrate.Show("routes in web", lines(network.Routes(web.proc))),
		show("ping web to db", before))

	n.Do(narrate.Call{
		Text: "Add a default route via the host in both containers",
		Sys: [][2]string{
			{"sendto(RTM_NEWROUTE {RTA_GATEWAY 10.88.1.1})", "in web; in db 10.88.2.1"}},
		Go: "network.DefaultRoute(web, 10.88.1.1)", Man: "rtnetlink(7), ip-route(8)",
		Hand: "ip route add default via 10.88.1.1",
		At:   network.DefaultRoute, Without: "Add no route",
	})
	if !n.Without {
		for _, m := range []*machine{web, db} {
			if err := network.DefaultRoute(m.proc, m.bridge.Gateway().Addr()); err != nil {
				return err
			}
		}
	}
	n.Evidence(narrate.Show("routes in web", lines(network.Routes(web.proc))))
	routed, err := web.ask("ping", db.addr)
	if err != nil {
		return err
	}
	n.Control("Still without forwarding on the host", show("ping web to db", routed))
	if err := forwarded(n, web, db, before, routed); err != nil {
		return err
	}
	n.Why(`docker run warns "IPv4 forwarding is disabled. Networking will not work." ` +
		"on a host that doesn't forward.")
	n.WithDocker("docker run --rm busybox ip route", routeByHand)
	n.Clean("the bridges and the veth pairs are gone, and forwarding is off again")
	return nil
}

const routeByHand = `box=yes unshare -rnm sh -e <<'END'
[ "$box" ] || exit   # not on your machine
mount -t tmpfs tmpfs /run; ip netns add web; ip netns add db   # files in /run/netns
ip link add ck-web type veth peer name eth0 netns web; ip addr add 10.88.1.1/24 dev ck-web; ip link set ck-web up
ip link add ck-db type veth peer name eth0 netns db; ip addr add 10.88.2.1/24 dev ck-db; ip link set ck-db up
ip -n web addr add 10.88.1.2/24 dev eth0; ip -n web link set eth0 up
ip -n db addr add 10.88.2.2/24 dev eth0; ip -n db link set eth0 up
nsenter --net=/run/netns/web ping -c 1 -W 1 10.88.2.2 || echo "no route"
ip -n web route add default via 10.88.1.1; ip -n db route add default via 10.88.2.1
echo 1 > /proc/sys/net/ipv4/ip_forward
nsenter --net=/run/netns/web ping -c 1 -W 3 10.88.2.2
END`

// forwarded makes the host a router and compares a ping across it with the pings before.
func forwarded(n *narrate.Narrator, web, db *machine, before, routed report) error {
	off, err := ipForward()
	if err != nil {
		return err
	}
	n.Do(narrate.Call{
		Text: "Turn on IP forwarding on the host",
		Sys:  [][2]string{{`write("/proc/sys/net/ipv4/ip_forward", "1")`, "makes the host a router"}},
		Go:   "network.Forwarding(true)", Man: "ip(7)",
		Hand: "echo 1 > /proc/sys/net/ipv4/ip_forward",
		At:   network.Forwarding,
	})
	if err := network.Forwarding(true); err != nil {
		return err
	}
	on, err := ipForward()
	if err != nil {
		return err
	}
	pings, err := web.pings(db.addr, web.bridge.Gateway().Addr().String())
	if err != nil {
		return err
	}
	after, near := pings[0], pings[1]
	n.Proof("web reaches db on the other subnet", after.ok(),
		compare("ping web to db", after, "before", before))
	n.Proof("The other subnet is out of reach unless the host forwards", after.ok() && !routed.ok(),
		compare("ping web to db", after, "not forwarding", routed),
		narrate.Compare("…/ip_forward", on, "not forwarding", off))
	n.Proof("Forwarding lowers a packet's TTL", after.ok() && ttl(after) == ttl(near)-1,
		compare("ping web to db", after, "web to host", near))
	return nil
}

// ipForward returns what the kernel says about forwarding in the host's namespace: 0 or 1.
func ipForward() (int, error) {
	on, err := network.IsForwarding()
	if on {
		return 1, err
	}
	return 0, err
}

// ttl returns the TTL of a ping's answer, or 0 if there was none.
func ttl(ping report) (ttl int) {
	_, _ = fmt.Sscanf(ping.Text, answered, &ttl)
	return ttl
}
