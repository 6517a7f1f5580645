//go:build linux

package network

import (
	"net/netip"

	"containerkit/02-namespaces/procfs"
)

// An Endpoint is a container's place in the network. It is fixed before the container is there, because its files say it.
type Endpoint struct {
	Bridge  Bridge
	Name    string // the container's hostname
	Addr    netip.Prefix
	Publish []Port // To is filled in
}

// Prepare makes the host ready for a container on the bridge: the bridge, if it is not there, forwarding, and NAT to
// wherever the host can go. It chooses the lowest free address.
// If the error is that there is no nftables here (see NoNftables), the endpoint is good, but has no way out of the host.
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

// Connect gives the network namespace of the process init its place. The process must still wait: what
// it does next may need the network.
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

// Hosts is the container's /etc/hosts, Resolv its /etc/resolv.conf.
func (e Endpoint) Hosts() string  { return Hosts(Name{e.Name, e.Addr.Addr()}) }
func (e Endpoint) Resolv() string { return Resolv(e.Bridge.Gateway().Addr()) }
