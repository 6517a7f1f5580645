//go:build linux

package network

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

const errExist = unix.EEXIST

// Plug attaches a link of our network namespace to a bridge, which then forwards its frames.
func Plug(bridge, link string) error {
	br, err := netlink.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	l, err := netlink.LinkByName(link)
	if err != nil {
		return fmt.Errorf("link %s: %w", link, err)
	}
	if err := netlink.LinkSetMaster(l, br); err != nil {
		return fmt.Errorf("attach %s to %s: %w", link, bridge, err)
	}
	return nil
}

// SetAddr adds an address to a link in the network namespace of the process p (nil: ours), and
// brings the link up. The kernel adds the route to the subnet of the address.
func SetAddr(p *procfs.Process, link string, addr netip.Prefix) error {
	return withLink(p, link, func(l netlink.Link) error {
		ip := &net.IPNet{IP: addr.Addr().AsSlice(), Mask: net.CIDRMask(addr.Bits(), addr.Addr().BitLen())}
		if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: ip}); err != nil {
			return fmt.Errorf("give %s the address %s: %w", link, addr, err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return fmt.Errorf("bring %s up: %w", link, err)
		}
		return nil
	})
}

// SetUp brings a link in the network namespace of the process p (nil: ours) up or down.
func SetUp(p *procfs.Process, link string, up bool) error {
	return withLink(p, link, func(l netlink.Link) error {
		set, word := netlink.LinkSetDown, "down"
		if up {
			set, word = netlink.LinkSetUp, "up"
		}
		if err := set(l); err != nil {
			return fmt.Errorf("bring %s %s: %w", link, word, err)
		}
		return nil
	})
}

// DeleteLink deletes a link of our network namespace; for a veth, both ends. It returns no error if
// there is no such link.
func DeleteLink(name string) error {
	l, err := netlink.LinkByName(name)
	if _, gone := err.(netlink.LinkNotFoundError); gone {
		return nil
	} else if err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	if err := netlink.LinkDel(l); err != nil {
		return fmt.Errorf("delete link %s: %w", name, err)
	}
	return nil
}

// label sets the alias of a link, which `ip link` shows.
func label(link, text string) error {
	return withLink(nil, link, func(l netlink.Link) error { return netlink.LinkSetAlias(l, text) })
}

// withLink finds a link by name in the network namespace of the process p and runs f there with it.
func withLink(p *procfs.Process, name string, f func(netlink.Link) error) error {
	return In(p, func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("link %s: %w", name, err)
		}
		return f(l)
	})
}
