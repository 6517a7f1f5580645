//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"

	"containerkit/04-network/network"
	"containerkit/04-network/network/internet"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/kit/narrate"
)

func publish(n *narrate.Narrator) error {
	ask(n, "A server runs in the container. How does somebody out there, who knows only the host, reach it?")
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
	if err := errors.Join(network.Forwarding(true), lo.Up()); err != nil {
		return noSysctl(n, err)
	}
	if err := box.must("serve", ":80", "web"); err != nil {
		return err
	}
	byName, byLoopback := internet.Host.Addr().String()+":8080", "127.0.0.1:8080"
	beforeOut, err := out.ask("dial", byName)
	if err != nil {
		return err
	}
	beforeHost := here("dial", byName)
	n.OldBefore("port 8080 of the host, called from the internet and from the host itself", narrate.Data{
		"internet": beforeOut.String(), "host": beforeHost.String()})

	port := network.Port{Host: 8080, To: netip.MustParseAddr(box.addr), Port: 80}
	n.Do(narrate.Call{
		Text:   "let the host's port 8080 lead to the container's port 80",
		Go:     fmt.Sprintf("network.Publish(%s, network.Port{Host: %d, To: %s, Port: %d})", network.Default.Name, port.Host, port.To, port.Port),
		OldSys: "NFT_MSG_NEWRULE {prerouting, output: fib daddr type local, tcp dport 8080, dnat}",
		Man:    "nft(8)",
		Hand:   fmt.Sprintf("nft add rule ip %s prerouting fib daddr type local tcp dport %d dnat to %s:%d", network.TableName, port.Host, port.To, port.Port),
		At:     network.Publish,
	})
	if err := network.Publish(network.Default, port); err != nil {
		return noNftables(n, err)
	}
	if n.Without { // taken back, so that a kernel that has no nftables is still told from a rule that is not there
		if err := network.Reset(); err != nil {
			return err
		}
	}
	afterOut, err := out.ask("dial", byName)
	if err != nil {
		return err
	}
	afterHost := here("dial", byName)
	// From 127.0.0.1 it takes one thing more, and we measure with and without it.
	if err := network.LocalnetRouting(network.Default.Name, false); err != nil {
		return err
	}
	refused := here("dial", byLoopback)
	if err := network.LocalnetRouting(network.Default.Name, true); err != nil {
		return err
	}
	allowed := here("dial", byLoopback)

	n.OldEvidence("the rules, read back from the kernel, with what they counted", lines(network.Rules()))
	if flows, err := network.Flows(); err == nil {
		n.OldEvidence("what the host remembers of the call from the internet", lines(about(flows, internet.Server.Addr().String()), nil))
	}
	n.OldProof("the internet reaches the container's server at the host's port, and the server sees who it was",
		afterOut.Text == "web sees "+internet.Server.Addr().String(), afterOut, beforeOut)
	n.OldProof("the host itself reaches it at that port: its own packets pass the output hook, not prerouting",
		afterHost.ok(), afterHost, beforeHost)
	n.OldProof("also at 127.0.0.1, once the bridge may route loopback addresses (the control is without route_localnet)",
		allowed.ok(), allowed, refused)
	n.Note("Publishing is rewriting addresses, not opening a door: the container's port is as open to its bridge as before, and a " +
		"firewall that filters the host's input never sees these packets; they are forwarded.")
	n.ByHand(
		`box=yes unshare -rnm sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`mount -t tmpfs tmpfs /run; ip netns add web; ip netns add out   # files in /run/netns`,
		`ip link add ck-web type veth peer name eth0 netns web; ip addr add 10.88.0.1/24 dev ck-web; ip link set ck-web up`,
		`ip -n web addr add 10.88.0.2/24 dev eth0; ip -n web link set eth0 up; ip -n web route add default via 10.88.0.1`,
		`ip link add ck-uplink type veth peer name eth0 netns out; ip addr add 203.0.113.1/24 dev ck-uplink; ip link set ck-uplink up`,
		`ip -n out addr add 203.0.113.80/24 dev eth0; ip -n out link set eth0 up`,
		`echo 1 > /proc/sys/net/ipv4/ip_forward`,
		`nft add table ip containerkit`,
		`nft 'add chain ip containerkit prerouting { type nat hook prerouting priority dstnat ; }'`,
		`nft add rule ip containerkit prerouting fib daddr type local tcp dport 8080 counter dnat to 10.88.0.2:80`,
		`nsenter --net=/run/netns/out bash -c 'echo > /dev/tcp/203.0.113.1/8080' || echo "refused by the container: nobody listens there, but the call arrived"`,
		`nft list table ip containerkit`,
		`END`)
	n.Clean("table, bridge and cables are removed")
	return nil
}
