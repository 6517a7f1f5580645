// Package network gives a network namespace what it lacks: links, addresses, routes, and rules for packets.
//
// A new network namespace has one interface, a loopback that is down, and no way out. This package lays cables between
// namespaces (veth), joins them with a switch (a bridge), makes the host forward and translate packets (nftables), and
// answers the containers' questions for names (a small DNS server). Everything goes through netlink: no program is run.
//
// The functions act on the network namespace of the calling process ("the host"), and on that of a
// *procfs.Process where they take one; a nil one is the calling process. They take no PID, which may
// be another process's by the time that the kernel looks it up. The lessons call them only in a namespace that plays the host. Links are named ck-…, the nftables table is
// called "containerkit"; nothing else is touched, and all of it goes when the namespace goes.
//
// Do not use it to protect a host: it joins, it does not guard. A container on a bridge reaches every address of the host
// and every server that listens on them, its neighbors on the same bridge, and whatever the host reaches. Isolate
// separates two bridges from each other and does nothing more. IPv6 is left out: the kernel's own link-local addresses
// are all a container has of it.
package network
