//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"containerkit/04-network/network"
	"containerkit/04-network/network/internet"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/kit/narrate"
)

// The host's port 8080, as the steps of publish connect to it.
var (
	published   = internet.Host.Addr().String() + ":8080"
	onLocalhost = "127.0.0.1:8080"
)

func publish(n *narrate.Narrator) error {
	ask(n, "How does docker run -p 8080:80 reach the container?",
		"A DNAT rule replaces a packet's destination address. Packets from outside pass the "+
			"prerouting hook. The host's own packets pass output instead, so both hooks need "+
			"the rule.")
	w := &world{}
	defer w.end()
	client, err := w.internet()
	if err != nil {
		return noLinks(n, err)
	}
	web, err := w.container(network.Default, "web")
	if err != nil {
		return noLinks(n, err)
	}
	if err := errors.Join(network.Forwarding(true), lo.Up()); err != nil {
		return noSysctl(n, err)
	}
	if err := web.must("serve", ":80", "web"); err != nil {
		return err
	}
	outBefore, err := client.ask("dial", published)
	if err != nil {
		return err
	}
	hostBefore := here("dial", published)
	n.Control("Before: web serves port 80, and clients connect to port 8080 of the host",
		show("from the internet", outBefore), show("from the host", hostBefore))

	port := network.Port{Host: 8080, To: netip.MustParseAddr(web.addr), Port: 80}
	n.Do(narrate.Call{
		Text: "Publish port 80 of web at port 8080 of the host",
		Sys: [][2]string{{nftSys, "DNAT in both hooks"},
			{`write("…/route_localnet", "1")`, "lets 127.0.0.1 packets out"}},
		Go: fmt.Sprintf("network.Publish(%s, network.Port{Host: %d, To: %s, Port: %d})",
			network.Default.Name, port.Host, port.To, port.Port),
		Man: "nft(8)",
		Hand: fmt.Sprintf("nft add rule ip %s prerouting fib daddr type local tcp dport %d dnat to %s:%d",
			network.TableName, port.Host, port.To, port.Port),
		At: network.Publish, Without: addAndRemove,
	})
	if err := network.Publish(network.Default, port); err != nil {
		return noNftables(n, err)
	}
	if err := resetWithout(n); err != nil {
		return err
	}
	if err := reached(n, client, outBefore, hostBefore); err != nil {
		return err
	}
	n.Why("docker run -p adds such rules. ufw doesn't block a published port: its packets are " +
		"forwarded, so they never pass the input hook.")
	n.WithDocker("docker run -p 8080:80 nginx", publishByHand)
	n.Clean("the nftables table, the bridge and the veth pairs are gone")
	return nil
}

const publishByHand = `box=yes unshare -rnm sh -e <<'END'
[ "$box" ] || exit   # not on your machine
mount -t tmpfs tmpfs /run; ip netns add web; ip netns add out   # files in /run/netns
ip link add ck-web type veth peer name eth0 netns web; ip addr add 10.88.0.1/24 dev ck-web; ip link set ck-web up
ip -n web addr add 10.88.0.2/24 dev eth0; ip -n web link set eth0 up; ip -n web route add default via 10.88.0.1
ip link add ck-uplink type veth peer name eth0 netns out; ip addr add 203.0.113.1/24 dev ck-uplink; ip link set ck-uplink up
ip -n out addr add 203.0.113.80/24 dev eth0; ip -n out link set eth0 up
echo 1 > /proc/sys/net/ipv4/ip_forward
nft add table ip containerkit
nft 'add chain ip containerkit prerouting { type nat hook prerouting priority dstnat ; }'
nft add rule ip containerkit prerouting fib daddr type local tcp dport 8080 counter dnat to 10.88.0.2:80
nsenter --net=/run/netns/out bash -c 'echo > /dev/tcp/203.0.113.1/8080' || echo "refused by the container: it has no server, but the packet arrived"
nft list table ip containerkit
END`

// reached connects to the published port from the internet, from the host, and from the host's
// 127.0.0.1.
func reached(n *narrate.Narrator, client *node, outBefore, hostBefore report) error {
	out, err := client.ask("dial", published)
	if err != nil {
		return err
	}
	unused, err := translated("output")
	if err != nil {
		return err
	}
	host := here("dial", published)
	used, err := translated("output")
	if err != nil {
		return err
	}
	n.Proof("The internet reaches the container at the host's port", out.ok(),
		compare("from the internet", out, "before", outBefore))
	n.Proof("The host reaches the container at the host's port", host.ok() && used > unused,
		compare("from the host", host, "before", hostBefore),
		narrate.Compare("packets in output", used, "before", unused))
	// Publish has set route_localnet. The control is the same call without it.
	if err := network.LocalnetRouting(network.Default.Name, false); err != nil {
		return err
	}
	stuck := here("dial", onLocalhost)
	if err := network.LocalnetRouting(network.Default.Name, true); err != nil {
		return err
	}
	local := here("dial", onLocalhost)
	n.Proof("127.0.0.1 reaches the container only with route_localnet", local.ok() && !stuck.ok(),
		compare("from 127.0.0.1", local, "route_localnet 0", stuck))
	n.Proof("The container sees the internet client's own address",
		out.Text == "web sees "+internet.Server.Addr().String(),
		narrate.Compare("source at web", source(out), "from 127.0.0.1", source(local)))
	n.Detail(narrate.Show("nftables rules", lines(network.Rules())))
	if flows, err := network.Flows(); err == nil {
		n.Detail(narrate.Show("conntrack entries",
			join(about(flows, internet.Server.Addr().String()), "\n")))
	}
	return nil
}

// source returns the address that a server has seen: the last word of its answer.
func source(answer report) string {
	_, addr, ok := strings.Cut(answer.Text, " sees ")
	if !ok {
		return "none"
	}
	return addr
}

// translated returns how many packets the DNAT rule in a chain has counted.
func translated(chain string) (packets uint64, err error) {
	rules, err := network.Rules()
	for _, r := range rules {
		if r.Chain == chain {
			packets += r.Packets()
		}
	}
	return packets, err
}
