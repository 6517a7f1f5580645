//go:build linux

package main

import (
	"fmt"

	"containerkit/04-network/network"
	"containerkit/lessons/kit/narrate"
)

func isolate(n *narrate.Narrator) error {
	ask(n, "Two groups of containers are on two bridges. Are they apart?")
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
	before, err := web.ask("ping", db.addr)
	if err != nil {
		return err
	}
	n.OldBefore("web on ck-red pings db on ck-blue; the host forwards, for their way out", narrate.Data{"ping": before.String()})

	n.Do(narrate.Call{
		Text:   "drop what came in from one bridge and would go out by the other",
		Go:     "network.Isolate(red, blue)",
		OldSys: "NFT_MSG_NEWRULE {forward: iifname, oifname, counter, drop}",
		Man:    "nft(8)",
		Hand:   fmt.Sprintf(`nft add rule ip %s forward iifname "ck-red" oifname "ck-blue" counter drop`, network.TableName),
		At:     network.Isolate,
	})
	if err := network.Isolate(web.bridge, db.bridge); err != nil {
		return noNftables(n, err)
	}
	if n.Without { // taken back, so that a kernel that has no nftables is still told from a rule that is not there
		if err := network.Reset(); err != nil {
			return err
		}
	}
	none, err := dropped()
	if err != nil {
		return err
	}
	after, err := web.ask("ping", db.addr)
	if err != nil {
		return err
	}
	back, err := db.ask("ping", web.addr)
	if err != nil {
		return err
	}
	near, err := web.ask("ping", cache.addr)
	if err != nil {
		return err
	}
	some, err := dropped()
	if err != nil {
		return err
	}
	n.OldEvidence("the rules, read back from the kernel, with what they counted", lines(network.Rules()))
	n.OldProof("web no longer reaches db", !after.ok(), after, before)
	n.OldProof("nor db web: a rule for each direction (the control is the ping before)", !back.ok(), back, before)
	n.OldProof("it was these rules: the kernel counted the packets that they dropped (the control is what was counted before the pings)",
		some > none, some, none)
	n.OldProof("web still reaches its neighbour on the same bridge (the control is its ping across)", near.ok() && !after.ok(), near, after)

	side, err := web.ask("ping", db.bridge.Gateway().Addr().String())
	if err != nil {
		return err
	}
	n.OldEvidence("web pings the host's address on the other bridge", side)
	n.Note("The forward hook sees only what is forwarded. The host's own addresses, on whatever bridge, are input: to close them takes a " +
		"rule there. And containers on one bridge never pass the host's forward hook at all: they are switched.")
	n.ByHand(
		`box=yes unshare -rnm sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`mount -t tmpfs tmpfs /run; ip netns add web; ip netns add db   # files in /run/netns`,
		`ip link add ck-red type veth peer name eth0 netns web; ip addr add 10.88.1.1/24 dev ck-red; ip link set ck-red up`,
		`ip link add ck-blue type veth peer name eth0 netns db; ip addr add 10.88.2.1/24 dev ck-blue; ip link set ck-blue up`,
		`ip -n web addr add 10.88.1.2/24 dev eth0; ip -n web link set eth0 up; ip -n web route add default via 10.88.1.1`,
		`ip -n db addr add 10.88.2.2/24 dev eth0; ip -n db link set eth0 up; ip -n db route add default via 10.88.2.1`,
		`echo 1 > /proc/sys/net/ipv4/ip_forward`,
		`nsenter --net=/run/netns/web ping -c 1 -W 3 10.88.2.2`,
		`nft add table ip containerkit`,
		`nft 'add chain ip containerkit forward { type filter hook forward priority filter ; }'`,
		`nft add rule ip containerkit forward iifname ck-red oifname ck-blue counter drop`,
		`nsenter --net=/run/netns/web ping -c 1 -W 1 10.88.2.2 || echo dropped`,
		`nft list table ip containerkit`,
		`END`)
	n.Clean("table, bridges and cables are removed")
	return nil
}

// dropped is how many packets the rules have counted so far.
func dropped() (packets uint64, err error) {
	rules, err := network.Rules()
	for _, r := range rules {
		packets += r.Packets()
	}
	return packets, err
}
