//go:build linux

package main

import (
	"fmt"

	"containerkit/04-network/network"
	"containerkit/lessons/kit/narrate"
)

func isolate(n *narrate.Narrator) error {
	ask(n, "Can containers on two different Docker networks reach each other?",
		"The host forwards for the containers of all its bridges, so it also forwards from one "+
			"bridge to the other. A rule in the forward hook can drop such packets.")
	w := &world{}
	defer w.end()
	web, db, cache, err := twoSubnets(w)
	if err != nil {
		return noLinks(n, err)
	}
	for _, m := range []*machine{web, db, cache} {
		if err := network.DefaultRoute(m.proc, m.bridge.Gateway().Addr()); err != nil {
			return err
		}
	}
	if err := network.Forwarding(true); err != nil {
		return noSysctl(n, err)
	}
	before, err := acrossBridges(web, db, cache)
	if err != nil {
		return noNftables(n, err)
	}
	n.Control("Before: web is on the bridge ck-red, db on ck-blue, and the host forwards",
		show("ping web to db", before.webToDB), show("ping db to web", before.dbToWeb))

	n.Do(narrate.Call{
		Text: "Drop packets that come in by one bridge and would leave by the other",
		Sys:  [][2]string{{nftSys, "one rule for each direction"}},
		Go:   "network.Isolate(red, blue)", Man: "nft(8)",
		Hand: fmt.Sprintf(`nft add rule ip %s forward iifname "ck-red" oifname "ck-blue" counter drop`,
			network.TableName),
		At: network.Isolate, Without: addAndRemove,
	})
	if err := network.Isolate(web.bridge, db.bridge); err != nil {
		return noNftables(n, err)
	}
	if err := resetWithout(n); err != nil {
		return err
	}
	after, err := acrossBridges(web, db, cache)
	if err != nil {
		return err
	}
	separated(n, before, after)
	n.Detail(narrate.Show("nftables rules", lines(network.Rules())))
	n.Why("Docker isolates its bridge networks, so Compose projects can't reach each other.")
	n.WithDocker("docker network create red; docker network create blue", isolateByHand)
	n.Clean("the nftables table, the bridges and the veth pairs are gone")
	return nil
}

const isolateByHand = `box=yes unshare -rnm sh -e <<'END'
[ "$box" ] || exit   # not on your machine
mount -t tmpfs tmpfs /run; ip netns add web; ip netns add db   # files in /run/netns
ip link add ck-red type veth peer name eth0 netns web; ip addr add 10.88.1.1/24 dev ck-red; ip link set ck-red up
ip link add ck-blue type veth peer name eth0 netns db; ip addr add 10.88.2.1/24 dev ck-blue; ip link set ck-blue up
ip -n web addr add 10.88.1.2/24 dev eth0; ip -n web link set eth0 up; ip -n web route add default via 10.88.1.1
ip -n db addr add 10.88.2.2/24 dev eth0; ip -n db link set eth0 up; ip -n db route add default via 10.88.2.1
echo 1 > /proc/sys/net/ipv4/ip_forward
nsenter --net=/run/netns/web ping -c 1 -W 3 10.88.2.2
nft add table ip containerkit
nft 'add chain ip containerkit forward { type filter hook forward priority filter ; }'
nft add rule ip containerkit forward iifname ck-red oifname ck-blue counter drop
nsenter --net=/run/netns/web ping -c 1 -W 1 10.88.2.2 || echo dropped
nft list table ip containerkit
END`

// A crossing is the result of pings from one bridge to the other, to the neighbor and to the host. It
// has the number of packets that the rules have dropped so far.
type crossing struct {
	webToDB, dbToWeb, cache, host report
	dropped                       uint64
}

func acrossBridges(web, db, cache *machine) (c crossing, err error) {
	from, err := web.pings(db.addr, cache.addr, db.bridge.Gateway().Addr().String())
	if err != nil {
		return c, err
	}
	c.webToDB, c.cache, c.host = from[0], from[1], from[2]
	if c.dbToWeb, err = db.ask("ping", web.addr); err != nil {
		return c, err
	}
	rules, err := network.Rules()
	for _, r := range rules {
		c.dropped += r.Packets()
	}
	return c, err
}

// separated compares the pings with the rules and without them.
func separated(n *narrate.Narrator, before, after crossing) {
	n.Proof("web can't reach db on the other bridge", !after.webToDB.ok(),
		compare("ping web to db", after.webToDB, "before", before.webToDB))
	n.Proof("db can't reach web on the other bridge", !after.dbToWeb.ok(),
		compare("ping db to web", after.dbToWeb, "before", before.dbToWeb))
	n.Proof("The new rules drop the packets", after.dropped > before.dropped,
		narrate.Compare("dropped packets", after.dropped, "before", before.dropped))
	n.Proof("web still reaches cache on its own bridge", after.cache.ok() && !after.webToDB.ok(),
		compare("ping web to cache", after.cache, "web to db", after.webToDB))
	n.Proof("web still reaches the host's address on the other bridge",
		after.host.ok() && !after.webToDB.ok(),
		compare("ping web to ck-blue", after.host, "web to db", after.webToDB))
	n.Note("Packets to the host itself pass the input hook; forward doesn't see them.")
}
