package exercise

import "strings"

var stage04 = []Exercise{
	{
		Stage: "04-network", Name: "veth", Step: "veth",
		Title: "a cable leads from the host into the container",
		File:  "04-network/network/cable_mine.go",
		Task: `Add a link of the kind veth: netlink.LinkAdd with a *netlink.Veth. Its one end, here, stays in our namespace; the other
one, there, belongs into that of the process p: namespaceOf (in.go) opens it, and netlink.NsFd names it by its descriptor.
Then switch both on: SetUp (link.go) does one, in either namespace.`,
		Read:    []string{"veth(4)", "network_namespaces(7)", "go doc github.com/vishvananda/netlink Veth"},
		Package: "04-network/network", Run: "^TestCable$",
		Shows: "go run -tags mine ./04-network veth",
		Hints: []string{
			"`ip link add ck-web type veth peer name eth0 netns PID` does it in one command. What of that is said by which field of netlink.Veth? (A PID can be given to another process before the kernel looks it up; an open file descriptor stays what it is.)",
			"A veth that is made without a word about namespaces has both ends where it was made. Moving one later is possible; saying it at once is shorter, and never collides with a link of the same name.",
			"A new link is off. A cable carries something only when both of its ends are on.",
		},
		Diagnoses: []Diagnosis{
			{"crossed", func(s State) bool {
				return strings.Contains(s.Facts["links here"], "eth0") && strings.Contains(s.Facts["links there"], "ck-web")
			},
				"The ends are where the other one belongs: eth0 is here, ck-web over there. The namespace was said of the wrong end."},
			{"peer-left-here", func(s State) bool { return strings.Contains(s.Facts["links here"], "eth0") },
				"eth0 is on the host: both ends of the cable are in our own namespace. Nothing has said yet where the other one belongs, or not in a way that is understood: a PeerNamespace is a netlink.NsFd, and a plain number or an *os.File is passed over without a word."},
			{"both-there", func(s State) bool { return strings.Contains(s.Facts["links there"], "ck-web") },
				"ck-web is in the container's namespace: the end that should be ours is over there. Look at which end the namespace was said of, and where the link was made."},
			{"far-end-down", func(s State) bool {
				return strings.Contains(s.Facts["links here"], "ck-web up") && strings.Contains(s.Facts["links there"], "eth0 down")
			},
				"Our end is on, the container's is off: a cable that is plugged in on one side. SetUp acts in the namespace of the process that it is told."},
			{"near-end-down", func(s State) bool { return strings.Contains(s.Facts["links here"], "ck-web down") },
				"The cable lies as it should, but our end of it is off."},
			{"swapped", func(s State) bool {
				return strings.Contains(s.Facts["links here"], "veth") || strings.Contains(s.Facts["links there"], "veth")
			},
				"One end has a name that the kernel has chosen (vethN): it was given none."},
		},
	},
	{
		Stage: "04-network", Name: "route", Step: "route",
		Title: "the container reaches what is beyond its own subnet",
		File:  "04-network/network/route_mine.go",
		Task: `Add the route for everything that no other route knows: netlink.RouteAdd with a *netlink.Route, whose next hop is via.
It must be done in the network namespace of the process p: In (in.go) runs a function there.`,
		Read:    []string{"ip-route(8)", "rtnetlink(7)", "go doc github.com/vishvananda/netlink Route"},
		Package: "04-network/network", Run: "^TestDefaultRoute$",
		Shows: "go run -tags mine ./04-network route",
		Hints: []string{
			"`ip route add default via 10.88.0.1` is the command. \"default\" is the destination of which nothing is said.",
			"A netlink socket belongs to the namespace in which it was opened. Everything that asks the kernel has to happen inside the function that In is given.",
			"The route needs no link: the kernel finds out by which one the gateway is reached. netip.Addr.AsSlice gives what netlink takes for an address.",
		},
		Diagnoses: []Diagnosis{
			{"in-our-namespace", func(s State) bool {
				return s.Facts["errno"] == "EINVAL" || strings.Contains(s.Facts["routes of the host"], "default")
			},
				"It was the host that got the route, or refused it (EINVAL: the gateway is the host's own address, nobody is his own gateway). The container's routes are in the network namespace of p."},
			{"scope-link", func(s State) bool { return s.Facts["errno"] == "ENETUNREACH" },
				"ENETUNREACH: the kernel looks for the gateway in a narrower scope than the route's. A route of scope link needs no gateway, because all its destinations are on the link. A route with a next hop reaches farther: leave Scope as it is."},
			{"zero-of-32-bits", func(s State) bool { return strings.Contains(s.Facts["routes of the container"], "0.0.0.0/32") },
				"There is a route to the one address 0.0.0.0: a prefix of 32 bits leaves none open. The destination of which nothing is said has 0 bits (0.0.0.0/0), or no Dst at all."},
			{"one-address-only", func(s State) bool {
				return strings.Contains(s.Facts["routes of the container"], "10.88.0.1/32") || strings.Contains(s.Facts["routes of the container"], "10.88.0.1 ") && !strings.Contains(s.Facts["routes of the container"], "default")
			},
				"There is a route to the gateway's own address now, and none to anywhere else. The gateway is where packets are handed to, not where they go."},
			{"no-way", func(s State) bool { return s.Facts["errno"] == "ENODEV" },
				"ENODEV: the route names neither a next hop nor a link, so the kernel cannot tell by which one packets would leave. A Route has three addresses: Dst is where packets go, Src whom they come from, and Gw?"},
			{"subnet-only", func(s State) bool { return s.Facts["errno"] == "EEXIST" },
				"EEXIST: there is a route to that destination already; the kernel made it with the address. The one that is missing is for everything else."},
			{"no-gateway", func(s State) bool { return strings.Contains(s.Facts["routes of the container"], "default dev") },
				"There is a default route, but it names no gateway: the container takes the whole world for its own subnet, and asks on the cable who has the address (ARP)."},
			{"nothing-done", func(s State) bool {
				return s.Facts["errno"] == "allowed" && !strings.Contains(s.Facts["routes of the container"], "default")
			},
				"No error, and no default route in the container either."},
		},
	},
	{
		Stage: "04-network", Name: "masquerade", Step: "nat",
		Title: "the internet answers the container",
		File:  "04-network/network/masquerade_mine.go",
		Task: `Return one rule: in which chain it is asked, for which packets it is, and what it does to them. rules.go has the words:
rule puts one together, from, to, inBy, outBy and unless are conditions, count counts, masq, drop and dnat act.
The rule is for what comes from the bridge's subnet (b.Subnet) and leaves by another link than the bridge (b.Name); it counts
such a packet before it acts.`,
		Read:    []string{"nft(8), \"NAT STATEMENTS\" and \"ADDRESS FAMILIES\"", "rules.go, the hooks"},
		Package: "04-network/network", Run: "^TestMasquerade$",
		Shows: "go run -tags mine ./04-network nat",
		Hints: []string{
			"In the language of nft(8) it is one line; the step nat prints it among what can be done by hand. Translate it word by word.",
			"The new source address is that of the link by which the packet leaves. At which of the four places of rules.go is that link known?",
			"A rule reads from left to right, and stops at the first condition that does not hold. What acts stands last; without it a rule only counts.",
		},
		Diagnoses: []Diagnosis{
			{"wrong-chain", func(s State) bool { return s.Says("not supported") || s.Facts["errno"] == "EINVAL" },
				"The kernel refuses the rule: at this place in a packet's way a source address cannot be made to fit, because it is not known yet by which link the packet leaves."},
			{"only-counts", func(s State) bool {
				return s.Facts["rules"] != "" && !strings.Contains(s.Facts["rules"], "masquerade")
			},
				"The kernel has the rule, and it says for which packets it is, but not what is to be done to them."},
			{"inverted", func(s State) bool { return strings.Contains(s.Facts["rules"], `oifname "containerkit0"`) },
				"The rule is for what leaves by the bridge, so for packets to the container. Those that need another address leave by any link but that."},
			{"wrong-direction", func(s State) bool { return strings.Contains(s.Facts["rules"], "ip daddr") },
				"The rule looks at where a packet goes. What tells a container's packet is where it comes from."},
			{"acts-first", func(s State) bool { return strings.Contains(s.Claim, "acts last") },
				"A rule is carried out from left to right. This one changes the packet before it has asked what packet it is: what stands behind masquerade is never looked at."},
			{"not-counted", func(s State) bool { return strings.Contains(s.Claim, "it has counted") },
				"It works, but nobody can see that it does: the rule does not count, or counts other packets than it changes."},
			{"for-everybody", func(s State) bool {
				return strings.Contains(s.Facts["rules"], "masquerade") && !strings.Contains(s.Facts["rules"], "ip saddr")
			},
				"The container gets its answer, but the rule changes everybody's packets that pass through this host, not only those of the bridge's subnet."},
			{"for-neighbours-too", func(s State) bool {
				return strings.Contains(s.Facts["rules"], "masquerade") && !strings.Contains(s.Facts["rules"], "oifname")
			},
				"The container gets its answer, but also what stays on the bridge is given another address: neighbours would no longer see who calls."},
			{"no-rule", func(s State) bool { return s.Facts["errno"] == "allowed" && s.Facts["rules"] == "" },
				"The kernel's table holds no rule at all."},
		},
	},
	{
		Stage: "04-network", Name: "publish", Step: "publish",
		Title: "a port of the host leads to a server in the container",
		File:  "04-network/network/publish_mine.go",
		Task: `Return the rules; rules.go has the words. dnat(p.To, p.Port) gives a packet its new destination. It is for packets that are
addressed to this host (toUs) at the port p.Host (port, p.protocol()). A packet from outside and one of the host's own
processes pass different chains.
Then take care of the answers. Whoever called as 127.0.0.1, and whoever sits on the bridge himself, must be answered
through the host, which alone knows what it changed: so the container must see the host as the caller (masq). The
condition redirected holds for connections whose destination was changed.`,
		Read:    []string{"nft(8), \"NAT STATEMENTS\"", "rules.go, the hooks", "Documentation/networking/ip-sysctl.rst, route_localnet"},
		Package: "04-network/network", Run: "^TestPublish$",
		Shows: "go run -tags mine ./04-network publish",
		Hints: []string{
			"Begin with one caller: somebody out there. One rule is enough for him. Then run the check, and see who is next.",
			"The comments at the hooks (rules.go) say which packets pass which place. Two of the four are early enough to change where a packet goes.",
			"An answer goes back to the address that the container saw. Ask for each caller: from which address did the packet come, and will the answer pass the host, which must undo its change?",
			"Which of the two numbers does the caller know, and on which does the server listen?",
		},
		Diagnoses: []Diagnosis{
			{"wrong-chain", func(s State) bool { return s.Says("not supported") || s.Facts["errno"] == "EINVAL" },
				"The kernel refuses a rule: destinations can only be changed where it is not decided yet where the packet goes, and sources only where it is."},
			{"ports-mixed", func(s State) bool {
				return strings.Contains(s.Facts["rules"], "dport 80 ") || strings.Contains(s.Facts["rules"], "10.88.0.2:8080")
			},
				"The two ports have changed places, or one stands in both: the caller knows the host's, 8080 here, and the server listens on its own, 80."},
			{"any-port", func(s State) bool { return strings.HasPrefix(s.Facts["another port of the host"], "web") },
				"A call to any port of the host now ends in the container, ssh and all: the rule asks whether the packet is for this host, but not for which port."},
			{"masks-others", func(s State) bool {
				return s.Facts["a neighbour's call to the same port elsewhere"] == "the internet sees 203.0.113.1"
			},
				"A neighbour's call to somebody else now seems to come from the host: the rule for the answers also changes connections that nobody has led elsewhere."},
			{"hijacks-others", func(s State) bool {
				return strings.HasPrefix(s.Facts["a neighbour's call to the same port elsewhere"], "web")
			},
				"A call to port 8080 of quite another machine now ends in the container: the rule asks for the port, but not whether the packet is addressed to this host."},
			{"not-from-the-host", func(s State) bool {
				return strings.HasPrefix(s.Facts["from the internet"], "web") && !strings.HasPrefix(s.Facts["from the host"], "web")
			},
				"The internet gets through, the host itself does not. What the host's own processes send never came in, so it does not pass the chain of what comes in."},
			{"not-from-outside", func(s State) bool {
				return !strings.HasPrefix(s.Facts["from the internet"], "web") && strings.HasPrefix(s.Facts["from the host"], "web")
			},
				"The host itself gets through, the internet does not: what comes in from outside passes another chain than what the host's own processes send."},
			{"source-hidden", func(s State) bool { return s.Facts["from the internet"] == "web sees 10.88.0.1" },
				"The server takes everybody for the host: your rule for the answers changes the address of callers that could be answered without it."},
			{"loopback-unanswered", func(s State) bool {
				return strings.HasPrefix(s.Facts["from the host"], "web") && !strings.HasPrefix(s.Facts["from 127.0.0.1"], "web")
			},
				"A call to 127.0.0.1 reaches the container, but comes from 127.0.0.1 too, and the container answers that address to itself. It needs a source that means something on the bridge."},
			{"neighbour-unanswered", func(s State) bool {
				return strings.HasPrefix(s.Facts["from 127.0.0.1"], "web") && s.Facts["from a neighbour"] != "web sees 10.88.0.1"
			},
				"A neighbour on the bridge calls the host and is led to the container, whose answer takes the straight way over the bridge. So it comes from an address that the neighbour never called, and is thrown away."},
			{"no-rule", func(s State) bool { return s.Facts["errno"] == "allowed" && s.Facts["rules"] == "" },
				"The kernel's table holds no rule at all."},
		},
	},
}
