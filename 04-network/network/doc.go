// Package network configures a network namespace: links, addresses, routes, and packet rules.
//
// A new network namespace has one interface, a loopback that is down, and no route out. This
// package connects namespaces with veth pairs and a bridge, and makes the host forward and
// translate packets (nftables). Package names below it is a small DNS server. Everything uses
// netlink: no program is run.
//
// The functions act on the network namespace of the calling process ("the host"). Some also take a
// *procfs.Process and act on its namespace; nil is the calling process. They take no PID, because
// the kernel can reuse a PID. The lessons call them only in a namespace that stands in for the
// host. Links are named ck-…, and the nftables table is called "containerkit". Nothing else is
// changed, and everything disappears with the namespace.
//
// Do not use it to protect a host: it connects, and restricts nothing. A container on a bridge
// reaches every address of the host, the servers that listen there, its neighbors on the bridge,
// and everything that the host reaches. Isolate separates two bridges from each other and does
// nothing more. IPv6 is left out: a container has only the link-local addresses that the kernel
// assigns.
package network
