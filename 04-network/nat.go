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
	ask(n, "How does a container with a private address reach the internet?",
		"No router on the internet has a route back to 10.88.0.2. Masquerading replaces the "+
			"source address with the host's, and connection tracking (conntrack) remembers "+
			"which container an answer is for.")
	w := &world{}
	defer w.end()
	api, err := w.internet()
	if err != nil {
		return noLinks(n, err)
	}
	web, err := w.container(network.Default, "web")
	if err != nil {
		return noLinks(n, err)
	}
	if err := network.Forwarding(true); err != nil {
		return noSysctl(n, err)
	}
	if err := api.must("serve", ":80", "api"); err != nil {
		return err
	}
	before, err := callOut(web, api)
	if err != nil {
		return err
	}
	n.Control("Before: the host forwards, and web connects to api, a server on the internet",
		show("TCP to api", before.tcp), show("UDP source at api", before.source))
	n.Detail(narrate.Show("routes in api", lines(network.Routes(api.proc))))

	n.Do(narrate.Call{
		Text: "Masquerade packets that leave the bridge's subnet",
		Sys:  [][2]string{{nftSys, "one transaction"}},
		Go:   fmt.Sprintf("network.Masquerade(%s)", network.Default.Name), Man: "nft(8)",
		Hand: fmt.Sprintf("nft add rule ip %s postrouting ip saddr %s oifname != %q counter masquerade",
			network.TableName, network.Default.Subnet, network.Default.Name),
		At: network.Masquerade, Without: addAndRemove,
	})
	if err := network.Masquerade(network.Default); err != nil {
		return noNftables(n, err)
	}
	if err := resetWithout(n); err != nil {
		return err
	}
	n.Evidence(narrate.Show("nftables rule", lines(network.Rules())))
	after, err := callOut(web, api)
	if err != nil {
		return err
	}
	n.Detail(narrate.Show("nftables rule", lines(network.Rules()), "after the call"))
	n.Proof("The container gets an answer from the internet", after.tcp.ok(),
		compare("TCP to api", after.tcp, "before", before.tcp))
	masqueraded(n, before, after)
	n.Why("flush the NAT rules on a Docker host, and no container reaches the internet.")
	n.WithDocker("docker run --rm busybox ping -c 1 1.1.1.1", natByHand)
	n.Clean("the nftables table, the bridge and the veth pairs are gone")
	return nil
}

const natByHand = `box=yes unshare -rnm sh -e <<'END'
[ "$box" ] || exit   # not on your machine
mount -t tmpfs tmpfs /run; ip netns add web; ip netns add out   # files in /run/netns
ip link add ck-web type veth peer name eth0 netns web; ip addr add 10.88.0.1/24 dev ck-web; ip link set ck-web up
ip -n web addr add 10.88.0.2/24 dev eth0; ip -n web link set eth0 up; ip -n web route add default via 10.88.0.1
ip link add ck-uplink type veth peer name eth0 netns out; ip addr add 203.0.113.1/24 dev ck-uplink; ip link set ck-uplink up
ip -n out addr add 203.0.113.80/24 dev eth0; ip -n out link set eth0 up
echo 1 > /proc/sys/net/ipv4/ip_forward
nsenter --net=/run/netns/web ping -c 1 -W 1 203.0.113.80 || echo "no route back"
nft add table ip containerkit
nft 'add chain ip containerkit postrouting { type nat hook postrouting priority srcnat ; }'
nft add rule ip containerkit postrouting ip saddr 10.88.0.0/24 counter masquerade
nsenter --net=/run/netns/web ping -c 1 -W 3 203.0.113.80
nft list table ip containerkit
END`

// A call is what the container gets from a server, and the source address that the server sees.
type call struct{ tcp, source report }

// callOut connects to the server on the internet and sends a datagram to it. A datagram needs no
// answer, so the server sees a source address even if no answer could reach it.
func callOut(web *machine, api *node) (c call, err error) {
	server := internet.Server.Addr().String()
	if err := api.must("overhear", ":9"); err != nil {
		return c, err
	}
	if err := web.must("send", server+":9"); err != nil {
		return c, err
	}
	if c.source, err = api.ask("overheard"); err != nil {
		return c, err
	}
	c.tcp, err = web.ask("dial", server+":80")
	return c, err
}

// masqueraded shows the address that the internet sees, and the entry by which answers come back.
func masqueraded(n *narrate.Narrator, before, after call) {
	rows := []narrate.Row{
		compare("UDP source at api", after.source, "before", before.source)}
	flows, err := network.Flows()
	if err == nil {
		entry := about(flows, internet.Server.Addr().String()+":80")
		rows = append(rows, narrate.Show("conntrack entry", join(entry, "\n")))
	}
	n.Proof("The internet sees the host's address instead of the container's",
		after.source.Text == internet.Host.Addr().String(), rows...)
	if err != nil {
		n.Skip(fmt.Sprintf("no conntrack entry: %v; load it: modprobe nf_conntrack_netlink", err), false)
	}
}

// about returns the lines that contain text.
func about(lines []string, text string) (some []string) {
	for _, l := range lines {
		if strings.Contains(l, text) {
			some = append(some, l)
		}
	}
	return some
}
