package exercise

import "strings"

var stage04 = []Exercise{
	{
		Stage: "04-network", Name: "veth", Step: "veth",
		Title: "a veth pair connects the host and the container",
		File:  "04-network/network/cable_mine.go",
		Task: `Add a link of the type veth: netlink.LinkAdd with a *netlink.Veth. One end, here,
stays in our network namespace. The other end, there, belongs in that of the process p:
namespaceOf (in.go) opens it, and netlink.NsFd names it by its file descriptor. Then bring both
ends up: SetUp (link.go) brings up one, in either namespace.`,
		Read:    []string{"veth(4)", "network_namespaces(7)", "go doc github.com/vishvananda/netlink Veth"},
		Package: "04-network/network", Run: "^TestCable$",
		Shows: "go run -tags mine ./04-network veth",
		Hints: []string{
			"`ip link add ck-web type veth peer name eth0 netns PID` does it in one command. " +
				"Which field of netlink.Veth stands for which part of it? (A PID can be given to " +
				"another process before the kernel looks it up; an open file descriptor always " +
				"means the same namespace.)",
			"A veth pair that is created without a namespace has both ends where it was created. " +
				"You can move an end later. Naming the namespace at once is shorter, and never " +
				"collides with a link of the same name.",
			"A new link is down. A veth pair carries packets only when both of its ends are up.",
		},
		Diagnoses: []Diagnosis{
			{"crossed", func(s State) bool {
				return strings.Contains(s.Facts["links here"], "eth0") && strings.Contains(s.Facts["links there"], "ck-web")
			},
				"The ends are swapped: eth0 is here, ck-web is in the container. You named the " +
					"namespace for the wrong end."},
			{"peer-left-here", func(s State) bool { return strings.Contains(s.Facts["links here"], "eth0") },
				"eth0 is on the host: both ends of the pair are in our own namespace. Your code " +
					"doesn't name the namespace of the other end, or not in a form that netlink " +
					"understands: a PeerNamespace is a netlink.NsFd. netlink ignores a plain " +
					"number or an *os.File without an error."},
			{"both-there", func(s State) bool { return strings.Contains(s.Facts["links there"], "ck-web") },
				"ck-web is in the container's namespace, but that end should be ours. Look for " +
					"which end you named the namespace, and in which namespace you created the " +
					"link."},
			{"far-end-down", func(s State) bool {
				return strings.Contains(s.Facts["links here"], "ck-web up") && strings.Contains(s.Facts["links there"], "eth0 down")
			},
				"Our end is up, but the container's is down, like a cable with only one end " +
					"plugged in. SetUp acts in the namespace of the process that you pass."},
			{"near-end-down", func(s State) bool { return strings.Contains(s.Facts["links here"], "ck-web down") },
				"Both ends are where they belong, but ours is down."},
			{"swapped", func(s State) bool {
				return strings.Contains(s.Facts["links here"], "veth") || strings.Contains(s.Facts["links there"], "veth")
			},
				"One end has a name that the kernel chose (vethN): you gave it none."},
		},
	},
	{
		Stage: "04-network", Name: "route", Step: "route",
		Title: "the container reaches addresses beyond its own subnet",
		File:  "04-network/network/route_mine.go",
		Task: `Add the route for every destination that no other route matches: netlink.RouteAdd
with a *netlink.Route whose next hop is via. Add it in the network namespace of the process p: In
(in.go) runs a function there.`,
		Read:    []string{"ip-route(8)", "rtnetlink(7)", "go doc github.com/vishvananda/netlink Route"},
		Package: "04-network/network", Run: "^TestDefaultRoute$",
		Shows: "go run -tags mine ./04-network route",
		Hints: []string{
			"`ip route add default via 10.88.0.1` is the command. \"default\" means that the " +
				"route names no destination.",
			"A netlink socket belongs to the namespace in which it was opened. Everything that " +
				"asks the kernel must happen inside the function that In gets.",
			"The route needs no link: the kernel finds out through which one it reaches the " +
				"gateway. netip.Addr.AsSlice returns an address in the form that netlink takes.",
		},
		Diagnoses: []Diagnosis{
			{"in-our-namespace", func(s State) bool {
				return s.Facts["errno"] == "EINVAL" || strings.Contains(s.Facts["routes of the host"], "default")
			},
				"The host got the route, or refused it (EINVAL: the gateway is the host's own " +
					"address, and a host can't be its own gateway). The container's routes are " +
					"in the network namespace of p."},
			{"scope-link", func(s State) bool { return s.Facts["errno"] == "ENETUNREACH" },
				"ENETUNREACH: the kernel looks for the gateway in a narrower scope than the " +
					"route's. A route of scope link needs no gateway, because all its " +
					"destinations are on the link. A route with a next hop reaches farther: " +
					"leave Scope as it is."},
			{"zero-of-32-bits", func(s State) bool { return strings.Contains(s.Facts["routes of the container"], "0.0.0.0/32") },
				"There is a route to the single address 0.0.0.0: a prefix of 32 bits leaves no " +
					"bit open. A route to every destination has a prefix of 0 bits (0.0.0.0/0), " +
					"or no Dst at all."},
			{"one-address-only", func(s State) bool {
				return strings.Contains(s.Facts["routes of the container"], "10.88.0.1/32") || strings.Contains(s.Facts["routes of the container"], "10.88.0.1 ") && !strings.Contains(s.Facts["routes of the container"], "default")
			},
				"There is a route to the gateway's own address now, and none to any other. " +
					"Packets go through the gateway; it isn't their destination."},
			{"no-way", func(s State) bool { return s.Facts["errno"] == "ENODEV" },
				"ENODEV: the route names neither a next hop nor a link, so the kernel can't know " +
					"through which link packets should leave. A Route has three addresses: Dst " +
					"is where packets go, Src where they come from, and Gw?"},
			{"subnet-only", func(s State) bool { return s.Facts["errno"] == "EEXIST" },
				"EEXIST: a route to that destination exists already; the kernel created it with " +
					"the address. The route that is missing is for everything else."},
			{"no-gateway", func(s State) bool { return strings.Contains(s.Facts["routes of the container"], "default dev") },
				"There is a default route, but it names no gateway. The container takes the " +
					"whole world for its own subnet, and asks on the link which machine has the " +
					"address (ARP)."},
			{"nothing-done", func(s State) bool {
				return s.Facts["errno"] == "allowed" && !strings.Contains(s.Facts["routes of the container"], "default")
			},
				"Your function returned no error, but the container has no default route."},
		},
	},
	{
		Stage: "04-network", Name: "masquerade", Step: "nat",
		Title: "the internet answers the container",
		File:  "04-network/network/masquerade_mine.go",
		Task: `Return one rule: its chain, the packets that it matches, and what it does to them.
rules.go has the words: rule builds one; from, to, inBy, outBy and unless are conditions; count
counts; masq, drop and dnat act. The rule matches packets that come from the bridge's subnet
(b.Subnet) and leave through another link than the bridge (b.Name). It counts such a packet
before it acts.`,
		Read:    []string{"nft(8), \"NAT STATEMENTS\" and \"ADDRESS FAMILIES\"", "rules.go, the hooks"},
		Package: "04-network/network", Run: "^TestMasquerade$",
		Shows: "go run -tags mine ./04-network nat",
		Hints: []string{
			"In the language of nft(8) it is one line, which the step nat prints among the " +
				"commands to try by hand. Translate it word by word.",
			"The new source address is that of the link through which the packet leaves. At " +
				"which of the four hooks in rules.go is that link known?",
			"The kernel evaluates a rule from left to right, and stops at the first condition " +
				"that is false. The action comes last; without one a rule only counts.",
		},
		Diagnoses: []Diagnosis{
			{"wrong-chain", func(s State) bool { return s.Says("not supported") || s.Facts["errno"] == "EINVAL" },
				"The kernel refuses the rule: at this hook a source address can't be replaced, " +
					"because it isn't known yet through which link the packet leaves."},
			{"only-counts", func(s State) bool {
				return s.Facts["rules"] != "" && !strings.Contains(s.Facts["rules"], "masquerade")
			},
				"The kernel has the rule. It says which packets it matches, but not what to do " +
					"with them."},
			{"inverted", func(s State) bool { return strings.Contains(s.Facts["rules"], `oifname "containerkit0"`) },
				"The rule matches packets that leave through the bridge, so packets to the " +
					"container. The packets that need another address leave through any other " +
					"link."},
			{"wrong-direction", func(s State) bool { return strings.Contains(s.Facts["rules"], "ip daddr") },
				"The rule looks at where a packet goes. You recognize a container's packet by " +
					"where it comes from."},
			{"acts-first", func(s State) bool { return strings.Contains(s.Claim, "acts last") },
				"The kernel evaluates a rule from left to right. This one changes the packet " +
					"before it checks which packet it is: nothing after masquerade is ever " +
					"evaluated."},
			{"not-counted", func(s State) bool { return strings.Contains(s.Claim, "it has counted") },
				"It works, but you can't see that it does: the rule doesn't count, or it counts " +
					"other packets than it changes."},
			{"for-everybody", func(s State) bool {
				return strings.Contains(s.Facts["rules"], "masquerade") && !strings.Contains(s.Facts["rules"], "ip saddr")
			},
				"The container gets its answer, but the rule changes all packets that this host " +
					"forwards, not only those from the bridge's subnet."},
			{"for-neighbors-too", func(s State) bool {
				return strings.Contains(s.Facts["rules"], "masquerade") && !strings.Contains(s.Facts["rules"], "oifname")
			},
				"The container gets its answer, but packets that stay on the bridge also get " +
					"another address. Neighbors would no longer see which container calls."},
			{"no-rule", func(s State) bool { return s.Facts["errno"] == "allowed" && s.Facts["rules"] == "" },
				"The kernel's table has no rule at all."},
		},
	},
	{
		Stage: "04-network", Name: "publish", Step: "publish",
		Title: "a port of the host leads to a server in the container",
		File:  "04-network/network/publish_mine.go",
		Task: `Return the rules; rules.go has the words. dnat(p.To, p.Port) gives a packet its new
destination. It is for packets that are addressed to this host (toUs) at the port p.Host (port,
p.protocol()). Packets from outside and packets of the host's own processes traverse different
chains.

Then take care of the answers. A caller at 127.0.0.1 and a caller on the bridge must get their
answer through the host, because only the host knows what it changed. So the container must see
the host as the caller (masq). The condition redirected matches connections whose destination was
changed.`,
		Read:    []string{"nft(8), \"NAT STATEMENTS\"", "rules.go, the hooks", "Documentation/networking/ip-sysctl.rst, route_localnet"},
		Package: "04-network/network", Run: "^TestPublish$",
		Shows: "go run -tags mine ./04-network publish",
		Hints: []string{
			"Begin with one caller: a machine on the internet. One rule is enough for it. Then " +
				"run the check, and see which caller is next.",
			"The comments at the hooks (rules.go) say which packets traverse which hook. Two of " +
				"the four are early enough to change where a packet goes.",
			"An answer goes back to the address that the container saw. Ask for each caller: " +
				"from which address did the packet come, and will the answer pass the host, " +
				"which must undo its change?",
			"Which of the two ports does the caller know, and on which port does the server " +
				"listen?",
		},
		Diagnoses: []Diagnosis{
			{"wrong-chain", func(s State) bool { return s.Says("not supported") || s.Facts["errno"] == "EINVAL" },
				"The kernel refuses a rule. Destinations can be changed only before it is " +
					"decided where the packet goes, and sources only afterwards."},
			{"ports-mixed", func(s State) bool {
				return strings.Contains(s.Facts["rules"], "dport 80 ") || strings.Contains(s.Facts["rules"], "10.88.0.2:8080")
			},
				"The two ports are swapped, or one is used for both. The caller knows the host's " +
					"port, here 8080; the server listens on its own, 80."},
			{"any-port", func(s State) bool { return strings.HasPrefix(s.Facts["another port of the host"], "web") },
				"A call to any port of the host now reaches the container, including ssh. The " +
					"rule checks whether the packet is for this host, but not for which port."},
			{"masks-others", func(s State) bool {
				return s.Facts["a neighbor's call to the same port elsewhere"] == "the internet sees 203.0.113.1"
			},
				"A neighbor's call to another machine now seems to come from the host. The rule " +
					"for the answers also changes connections whose destination wasn't changed."},
			{"hijacks-others", func(s State) bool {
				return strings.HasPrefix(s.Facts["a neighbor's call to the same port elsewhere"], "web")
			},
				"A call to port 8080 of a different machine now reaches the container. The rule " +
					"checks the port, but not whether the packet is addressed to this host."},
			{"not-from-the-host", func(s State) bool {
				return strings.HasPrefix(s.Facts["from the internet"], "web") && !strings.HasPrefix(s.Facts["from the host"], "web")
			},
				"Calls from the internet get through, but calls from the host itself don't. " +
					"Packets of the host's own processes never came in, so they don't traverse " +
					"the chain for packets that come in."},
			{"not-from-outside", func(s State) bool {
				return !strings.HasPrefix(s.Facts["from the internet"], "web") && strings.HasPrefix(s.Facts["from the host"], "web")
			},
				"Calls from the host itself get through, but calls from the internet don't. " +
					"Packets from outside traverse another chain than packets of the host's own " +
					"processes."},
			{"source-hidden", func(s State) bool { return s.Facts["from the internet"] == "web sees 10.88.0.1" },
				"The server takes every caller for the host: your rule for the answers changes " +
					"the address of callers that could get their answer without it."},
			{"loopback-unanswered", func(s State) bool {
				return strings.HasPrefix(s.Facts["from the host"], "web") && !strings.HasPrefix(s.Facts["from 127.0.0.1"], "web")
			},
				"A call to 127.0.0.1 reaches the container, but it also comes from 127.0.0.1, so " +
					"the container answers to itself. The packet needs a source address that " +
					"means something on the bridge."},
			{"neighbor-unanswered", func(s State) bool {
				return strings.HasPrefix(s.Facts["from 127.0.0.1"], "web") && s.Facts["from a neighbor"] != "web sees 10.88.0.1"
			},
				"A neighbor on the bridge calls the host and reaches the container, whose answer " +
					"goes directly over the bridge. So the answer comes from an address that the " +
					"neighbor never called, and the neighbor drops it."},
			{"no-rule", func(s State) bool { return s.Facts["errno"] == "allowed" && s.Facts["rules"] == "" },
				"The kernel's table has no rule at all."},
		},
	},
}
