//go:build linux

package main

import (
	"fmt"
	"strings"

	"containerkit/04-network/network"
	"containerkit/04-network/network/internet"
	"containerkit/lessons/kit/narrate"
)

func nat(n *narrate.Narrator) error {
	ask(n, "A container's address means nothing outside its host. How can an answer from the internet find its way back?")
	w := &world{}
	defer w.end()
	out, err := w.internet()
	if err != nil {
		return noLinks(n, err)
	}
	box, err := w.container(network.Default, "web")
	if err != nil {
		return noLinks(n, err)
	}
	if err := network.Forwarding(true); err != nil {
		return noSysctl(n, err)
	}
	server := internet.Server.Addr().String()
	if err := out.must("serve", ":80", "the server"); err != nil {
		return err
	}
	before, heardBefore, err := callOut(box, out, server)
	if err != nil {
		return err
	}
	n.OldBefore("the container calls a server out there; the way is there, and the host forwards", narrate.Data{
		"call": before.String(), "the server got a datagram from": heardBefore.String()})
	n.OldEvidence("the internet's routes", lines(network.Routes(out.proc)))

	n.Do(narrate.Call{
		Text:   "let the containers out under the host's own address",
		Go:     fmt.Sprintf("network.Masquerade(%s)", network.Default.Name),
		OldSys: "NFT_MSG_NEWTABLE, NFT_MSG_NEWCHAIN {nat, postrouting}, NFT_MSG_NEWRULE {masq}",
		Man:    "nft(8)",
		Hand:   fmt.Sprintf("nft add rule ip %s postrouting ip saddr %s oifname != %q counter masquerade", network.TableName, network.Default.Subnet, network.Default.Name),
		At:     network.Masquerade,
	})
	if err := network.Masquerade(network.Default); err != nil {
		return noNftables(n, err)
	}
	if n.Without { // taken back, so that a kernel that has no nftables is still told from a rule that is not there
		if err := network.Reset(); err != nil {
			return err
		}
	}
	after, heard, err := callOut(box, out, server)
	if err != nil {
		return err
	}
	n.OldEvidence("the rules, read back from the kernel", lines(network.Rules()))
	if flows, err := network.Flows(); err != nil {
		n.Skip(fmt.Sprintf("the list of connections: %v (the module nf_conntrack_netlink tells it)", err), false)
	} else {
		n.OldEvidence("what the host remembers of the call", lines(about(flows, server+":80"), nil))
	}
	n.OldProof("the container gets an answer from the internet", after.ok(), after, before)
	n.OldProof("the internet sees only the host's address, never the container's",
		heard.Text == internet.Host.Addr().String(), heard, heardBefore)
	n.Note("The rules of a nat chain are asked for a connection's first packet only. Every other packet, and every answer, follows " +
		"the host's memory of connections (conntrack). So a rule that is removed does not cut who is talking already.")
	n.Note("NAT is no wall: whoever out there has a route to the subnet by way of the host gets in. It only makes the way back findable.")
	n.ByHand(
		`box=yes unshare -rnm sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`mount -t tmpfs tmpfs /run; ip netns add web; ip netns add out   # files in /run/netns`,
		`ip link add ck-web type veth peer name eth0 netns web; ip addr add 10.88.0.1/24 dev ck-web; ip link set ck-web up`,
		`ip -n web addr add 10.88.0.2/24 dev eth0; ip -n web link set eth0 up; ip -n web route add default via 10.88.0.1`,
		`ip link add ck-uplink type veth peer name eth0 netns out; ip addr add 203.0.113.1/24 dev ck-uplink; ip link set ck-uplink up`,
		`ip -n out addr add 203.0.113.80/24 dev eth0; ip -n out link set eth0 up`,
		`echo 1 > /proc/sys/net/ipv4/ip_forward`,
		`nsenter --net=/run/netns/web ping -c 1 -W 1 203.0.113.80 || echo "no answer finds its way"`,
		`nft add table ip containerkit`,
		`nft 'add chain ip containerkit postrouting { type nat hook postrouting priority srcnat ; }'`,
		`nft add rule ip containerkit postrouting ip saddr 10.88.0.0/24 counter masquerade`,
		`nsenter --net=/run/netns/web ping -c 1 -W 3 203.0.113.80`,
		`nft list table ip containerkit`,
		`END`)
	n.Clean("table, bridge and cables are removed")
	return nil
}

// callOut has the container call the server, and send it a datagram; it returns what the container got, and what
// source address the server saw.
func callOut(box *machine, out *node, server string) (call, heard report, err error) {
	if err := out.must("overhear", ":9"); err != nil {
		return call, heard, err
	}
	if err := box.must("send", server+":9"); err != nil {
		return call, heard, err
	}
	if heard, err = out.ask("overheard"); err != nil {
		return call, heard, err
	}
	call, err = box.ask("dial", server+":80")
	return call, heard, err
}

// about are the lines that mention what.
func about(lines []string, what string) (some []string) {
	for _, l := range lines {
		if strings.Contains(l, what) {
			some = append(some, l)
		}
	}
	return some
}
