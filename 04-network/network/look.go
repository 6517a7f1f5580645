//go:build linux

package network

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

// A Link is the state of an interface, as the kernel reports it.
type Link struct {
	Index int
	Name  string
	Kind  string // veth, bridge, device (of the machine, or the loopback)
	Up    bool   // brought up (IFF_UP)
	Ready bool   // can carry packets: it has a carrier
	Peer  int    // a veth's: the index of the other end, in the other end's namespace
	Plug  string // the bridge that it is attached to
	Addrs []netip.Prefix
}

// String formats a link like `ip addr`.
func (l Link) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d: %s", l.Index, l.Name)
	if l.Kind == "veth" {
		fmt.Fprintf(&b, "@if%d", l.Peer)
	}
	switch {
	case l.Up && l.Ready:
		b.WriteString(" up")
	case l.Up:
		b.WriteString(" up, no carrier")
	default:
		b.WriteString(" down")
	}
	if l.Plug != "" {
		b.WriteString(" in " + l.Plug)
	}
	for _, a := range l.Addrs {
		b.WriteString(" " + a.String())
	}
	return b.String()
}

// Links lists the interfaces in the network namespace of the process p (nil: ours). IPv6's link-local addresses are left out.
func Links(p *procfs.Process) (list []Link, err error) {
	err = In(p, func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return fmt.Errorf("list links: %w", err)
		}
		names := map[int]string{}
		for _, l := range links {
			names[l.Attrs().Index] = l.Attrs().Name
		}
		for _, l := range links {
			a := l.Attrs()
			// IFF_LOWER_UP reports a carrier: for a veth, that the other end is up too.
			link := Link{Index: a.Index, Name: a.Name, Kind: l.Type(), Up: a.Flags&net.FlagUp != 0,
				Ready: a.RawFlags&unix.IFF_LOWER_UP != 0, Peer: a.ParentIndex, Plug: names[a.MasterIndex]}
			addrs, err := netlink.AddrList(l, unix.AF_UNSPEC)
			if err != nil {
				return fmt.Errorf("list addresses of %s: %w", a.Name, err)
			}
			for _, addr := range addrs {
				ip, _ := netip.AddrFromSlice(addr.IP)
				if bits, _ := addr.Mask.Size(); !ip.IsLinkLocalUnicast() {
					link.Addrs = append(link.Addrs, netip.PrefixFrom(ip.Unmap(), bits))
				}
			}
			list = append(list, link)
		}
		slices.SortFunc(list, func(a, b Link) int { return a.Index - b.Index })
		return nil
	})
	return list, err
}

// FindLink returns the link with that name in the network namespace of the process p (nil: ours).
func FindLink(p *procfs.Process, name string) (Link, error) {
	list, err := Links(p)
	for _, l := range list {
		if l.Name == name {
			return l, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("no link %s in %s", name, whose(p))
	}
	return Link{}, err
}

// whose returns the words for the network namespace of the process p in an error.
func whose(p *procfs.Process) string {
	if p == nil {
		return "our network namespace"
	}
	return fmt.Sprintf("the network namespace of process %d", p.PID)
}

// Routes lists the IPv4 routes in the network namespace of the process p (nil: ours), in the format
// of `ip route`.
func Routes(p *procfs.Process) (list []string, err error) {
	err = In(p, func() error {
		routes, err := netlink.RouteList(nil, unix.AF_INET)
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			to := "default"
			if r.Dst != nil && r.Dst.String() != "0.0.0.0/0" {
				to = r.Dst.String()
			}
			if r.Gw != nil {
				to += " via " + r.Gw.String()
			}
			if l, err := netlink.LinkByIndex(r.LinkIndex); err == nil {
				to += " dev " + l.Attrs().Name
			}
			list = append(list, to)
		}
		return nil
	})
	return list, err
}

// Neighbors lists the Ethernet addresses that the network namespace of the process p (nil: ours)
// has resolved with ARP, in the format of `ip neigh`.
func Neighbors(p *procfs.Process) (list []string, err error) {
	err = In(p, func() error {
		all, err := netlink.NeighList(0, unix.AF_INET)
		if err != nil {
			return fmt.Errorf("list neighbors: %w", err)
		}
		for _, n := range all {
			if n.State&unix.NUD_NOARP != 0 {
				continue
			}
			at := n.HardwareAddr.String()
			if n.State&(unix.NUD_FAILED|unix.NUD_INCOMPLETE) != 0 {
				at = "nobody answered"
			}
			list = append(list, n.IP.String()+" "+at)
		}
		return nil
	})
	return list, err
}

// Learned lists the Ethernet addresses that the bridge has seen, and the port of each, as `bridge
// fdb` does. With this table a switch finds the port for a frame.
func Learned(bridge string) (map[string]string, error) {
	br, err := netlink.LinkByName(bridge)
	if err != nil {
		return nil, fmt.Errorf("bridge %s: %w", bridge, err)
	}
	all, err := netlink.NeighList(0, unix.AF_BRIDGE)
	if err != nil {
		return nil, fmt.Errorf("list what %s learned: %w", bridge, err)
	}
	seen := map[string]string{}
	for _, n := range all {
		// NUD_PERMANENT: the addresses of the ports themselves, which the bridge did not learn.
		if n.MasterIndex != br.Attrs().Index || n.State&unix.NUD_PERMANENT != 0 {
			continue
		}
		if l, err := netlink.LinkByIndex(n.LinkIndex); err == nil {
			seen[n.HardwareAddr.String()] = l.Attrs().Name
		}
	}
	return seen, nil
}

// MAC returns the Ethernet address of a link in the network namespace of the process p (nil: ours).
func MAC(p *procfs.Process, link string) (mac string, err error) {
	err = withLink(p, link, func(l netlink.Link) error {
		mac = l.Attrs().HardwareAddr.String()
		return nil
	})
	return mac, err
}
