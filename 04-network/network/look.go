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

// A Link is what the kernel says about an interface.
type Link struct {
	Index int
	Name  string
	Kind  string // veth, bridge, device (of the machine, or the loopback)
	Up    bool   // switched on by somebody
	Ready bool   // and able to carry packets: there is a carrier
	Peer  int    // a veth's: the index of the other end, in the other end's namespace
	Plug  string // the bridge it is plugged into
	Addrs []netip.Prefix
}

// String tells a link in the manner of `ip addr`.
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
			// IFF_LOWER_UP says that there is a carrier: of a cable, that the other end is switched on too.
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

// FindLink is the link of that name in the network namespace of the process p (nil: ours).
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

// whose names the network namespace of the process p in an error.
func whose(p *procfs.Process) string {
	if p == nil {
		return "our network namespace"
	}
	return fmt.Sprintf("the network namespace of process %d", p.PID)
}

// Routes lists where packets go from the network namespace of the process p (nil: ours), in the manner
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

// Neighbors lists whose Ethernet address the network namespace of the process p (nil: ours) has found
// out by asking (ARP), in the manner of `ip neigh`.
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

// Learned lists which Ethernet addresses the bridge has seen, and behind which of its ports, in the manner of
// `bridge fdb`: that is how a switch knows where to send a frame.
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
		// NUD_PERMANENT are the ports' own addresses, which nobody had to learn.
		if n.MasterIndex != br.Attrs().Index || n.State&unix.NUD_PERMANENT != 0 {
			continue
		}
		if l, err := netlink.LinkByIndex(n.LinkIndex); err == nil {
			seen[n.HardwareAddr.String()] = l.Attrs().Name
		}
	}
	return seen, nil
}

// MAC is the Ethernet address of a link in the network namespace of the process p (nil: ours).
func MAC(p *procfs.Process, link string) (mac string, err error) {
	err = withLink(p, link, func(l netlink.Link) error {
		mac = l.Attrs().HardwareAddr.String()
		return nil
	})
	return mac, err
}
