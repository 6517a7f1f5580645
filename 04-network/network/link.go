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

// Plug puts a link of our network namespace into a bridge: the bridge forwards its frames from then on.
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
		return fmt.Errorf("plug %s into %s: %w", link, bridge, err)
	}
	return nil
}

// SetAddr gives a link in the network namespace of the process p (nil: ours) an address, and brings the
// link up. The kernel adds the route to the address's own subnet by itself.
func SetAddr(p *procfs.Process, link string, addr netip.Prefix) error {
	return withLink(p, link, func(l netlink.Link) error {
		ip := &net.IPNet{IP: addr.Addr().AsSlice(), Mask: net.CIDRMask(addr.Bits(), addr.Addr().BitLen())}
		if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: ip}); err != nil {
			return fmt.Errorf("give %s the address %s: %w", link, addr, err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return fmt.Errorf("switch %s on: %w", link, err)
		}
		return nil
	})
}

// SetUp switches a link in the network namespace of the process p (nil: ours) on or off.
func SetUp(p *procfs.Process, link string, up bool) error {
	return withLink(p, link, func(l netlink.Link) error {
		set, word := netlink.LinkSetDown, "off"
		if up {
			set, word = netlink.LinkSetUp, "on"
		}
		if err := set(l); err != nil {
			return fmt.Errorf("switch %s %s: %w", link, word, err)
		}
		return nil
	})
}

// DeleteLink removes a link of our network namespace; of a cable, both ends go. One that is gone already is no error.
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

// label writes a remark on a link; `ip link` shows it as its alias.
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
