//go:build linux

package network

import (
	"net/netip"

	"containerkit/02-namespaces/procfs"
)

// An Endpoint is a container's address and name in the network. It is chosen before the container
// is created, because the files in the container contain it.
type Endpoint struct {
	Bridge  Bridge
	Name    string // the container's hostname
	Addr    netip.Prefix
	Publish []Port // Connect fills in To
}

// Prepare makes the host ready for a container on the bridge. It creates the bridge if it is
// missing, enables forwarding and NAT, and chooses the lowest free address. If the kernel has no
// nftables (see NoNftables), the endpoint is valid, but the container reaches only the host.
func Prepare(b Bridge, name string, publish ...Port) (Endpoint, error) {
	if err := b.Create(); err != nil {
		return Endpoint{}, err
	}
	if err := Forwarding(true); err != nil {
		return Endpoint{}, err
	}
	taken, err := b.Leases()
	if err != nil {
		return Endpoint{}, err
	}
	addr, err := b.Next(taken...)
	if err != nil {
		return Endpoint{}, err
	}
	return Endpoint{b, name, addr, publish}, Masquerade(b)
}

// Connect attaches the network namespace of the process init to the bridge and publishes the ports.
// The process must still wait, because its next step can need the network.
func (e Endpoint) Connect(init *procfs.Process) error {
	if err := Attach(e.Bridge, init, e.Name, e.Addr); err != nil {
		return err
	}
	for _, p := range e.Publish {
		p.To = e.Addr.Addr()
		if err := Publish(e.Bridge, p); err != nil {
			return err
		}
	}
	return nil
}

// Hosts returns the text of the container's /etc/hosts, and Resolv that of its /etc/resolv.conf.
func (e Endpoint) Hosts() string  { return Hosts(Name{e.Name, e.Addr.Addr()}) }
func (e Endpoint) Resolv() string { return Resolv(e.Bridge.Gateway().Addr()) }
