//go:build linux

package network

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"containerkit/02-namespaces/procfs"
	"containerkit/04-network/network/lo"
)

// Inside is the name of a container's interface, seen from inside.
const Inside = "eth0"

// maxName is the maximum length of an interface name: IFNAMSIZ is 16 with the final zero
// (netdevice(7)).
const maxName = 15

// A Bridge is a switch in the kernel, with the subnet of the containers attached to it. The host
// has the first address of the subnet and is the gateway of the containers.
type Bridge struct {
	Name   string
	Subnet netip.Prefix
}

// Default is the bridge of a container that names no other.
var Default = Bridge{Name: "containerkit0", Subnet: netip.MustParsePrefix("10.88.0.0/24")}

// Check returns an error if the bridge has an invalid name or subnet.
func (b Bridge) Check() error {
	switch {
	case b.Name == "" || len(b.Name) > maxName:
		return fmt.Errorf("a bridge's name has 1 to %d characters, not %q", maxName, b.Name)
	case !b.Subnet.IsValid() || !b.Subnet.Addr().Is4():
		return fmt.Errorf("bridge %s needs an IPv4 subnet such as 10.88.0.0/24, not %s", b.Name, b.Subnet)
	case b.Subnet.Masked() != b.Subnet:
		return fmt.Errorf("%s is an address in a subnet; the subnet is %s", b.Subnet, b.Subnet.Masked())
	case b.Subnet.Bits() > 30:
		return fmt.Errorf("subnet %s has no room for a gateway and a container", b.Subnet)
	}
	return nil
}

// Gateway returns the host's address on the bridge: the first address after the network address.
func (b Bridge) Gateway() netip.Prefix {
	return netip.PrefixFrom(b.Subnet.Addr().Next(), b.Subnet.Bits())
}

// Next returns the lowest free address of the subnet. It never returns the network, gateway or
// broadcast address.
func (b Bridge) Next(taken ...netip.Addr) (netip.Prefix, error) {
	for a := b.Gateway().Addr().Next(); b.Subnet.Contains(a.Next()); a = a.Next() { // the last one is the broadcast
		if !slices.Contains(taken, a) {
			return netip.PrefixFrom(a, b.Subnet.Bits()), nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("subnet %s is full: %d addresses are taken", b.Subnet, len(taken))
}

// LinkName returns the name of the host's end of a container's veth pair: ck-NAME. It shortens a
// long name and adds a hash, so that names still differ.
func LinkName(container string) string {
	name := "ck-" + container
	if len(name) <= maxName {
		return name
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(container))
	return fmt.Sprintf("%s%08x", name[:maxName-8], sum.Sum32())
}

// Create creates the bridge in our network namespace, gives it the gateway's address and brings it
// up. It leaves an existing bridge as it is.
func (b Bridge) Create() error {
	if err := b.Check(); err != nil {
		return err
	}
	link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: b.Name}}
	if err := netlink.LinkAdd(link); errors.Is(err, errExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("add bridge %s: %w", b.Name, err)
	}
	return SetAddr(nil, b.Name, b.Gateway())
}

// Delete removes the bridge. The links that were attached to it remain.
func (b Bridge) Delete() error { return DeleteLink(b.Name) }

// Attach connects the network namespace of the process p to the bridge. It creates a veth pair,
// attaches one end to the bridge, and gives the address to the other end, eth0. Then it brings up
// the loopback interface and adds a default route via the bridge.
func Attach(b Bridge, p *procfs.Process, name string, addr netip.Prefix) error {
	link := LinkName(name)
	if err := Cable(p, link, Inside); err != nil {
		return err
	}
	err := errors.Join(
		Plug(b.Name, link),
		label(link, addr.Addr().String()),
		SetAddr(p, Inside, addr),
		In(p, lo.Up),
		DefaultRoute(p, b.Gateway().Addr()))
	if err != nil {
		return errors.Join(err, DeleteLink(link)) // deletes both ends, with addresses and routes
	}
	return nil
}

// Leases returns the addresses in use on the bridge. Attach stores each address as the alias of the
// host's end of the veth pair, so no file is needed. The entry disappears with the container.
func (b Bridge) Leases() ([]netip.Addr, error) {
	bridge, err := netlink.LinkByName(b.Name)
	if err != nil {
		return nil, fmt.Errorf("bridge %s: %w", b.Name, err)
	}
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	var leases []netip.Addr
	for _, l := range links {
		if a, err := netip.ParseAddr(l.Attrs().Alias); err == nil && l.Attrs().MasterIndex == bridge.Attrs().Index {
			leases = append(leases, a)
		}
	}
	return leases, nil
}
