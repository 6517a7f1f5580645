//go:build linux

package network

import (
	"fmt"
	"os"
	"strings"
)

// Forwarding makes our network namespace a router, or no longer: whether a packet that came in for somebody else goes
// out again on another link. Everybody's container network needs it, and it is off unless someone turned it on.
// Each network namespace has its own, and /proc/sys/net shows that of the process that reads it: so this never
// touches another namespace's. (ip(7), ip_forward; Documentation/networking/ip-sysctl.rst.)
func Forwarding(on bool) error { return sysctl("net/ipv4/ip_forward", on) }

// IsForwarding reports whether our network namespace forwards packets.
func IsForwarding() (bool, error) {
	raw, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	return strings.TrimSpace(string(raw)) == "1", err
}

// LocalnetRouting lets packets from 127.0.0.1 leave through a link, or no longer. The kernel refuses that by default:
// loopback addresses mean nothing on a wire. Publishing a port at 127.0.0.1 needs it, because there the packet is from
// 127.0.0.1 until masquerading, the very last thing before the wire, changes it. It has a price: packets *to* 127.0.0.1 that
// come in through the link are no longer refused either, so that who is on that wire may reach servers that trust the
// loopback (CVE-2020-8558). (ip-sysctl.rst, route_localnet.)
func LocalnetRouting(link string, on bool) error {
	return sysctl("net/ipv4/conf/"+link+"/route_localnet", on)
}

func sysctl(key string, on bool) error {
	value := "0"
	if on {
		value = "1"
	}
	if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0o644); err != nil {
		return fmt.Errorf("set %s to %s: %w", strings.ReplaceAll(key, "/", "."), value, err)
	}
	return nil
}
