//go:build linux

package network

import (
	"fmt"
	"os"
	"strings"
)

// Forwarding enables or disables IPv4 forwarding in our network namespace: whether the kernel sends
// a packet for another host out on another link. Container networks need it, and the kernel's
// default is off. Each network namespace has its own setting. /proc/sys/net shows that of the
// process that reads it, so this never changes another namespace. (ip(7), ip_forward;
// Documentation/networking/ip-sysctl.rst)
func Forwarding(on bool) error { return sysctl("net/ipv4/ip_forward", on) }

// IsForwarding reports whether our network namespace forwards packets.
func IsForwarding() (bool, error) {
	raw, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	return strings.TrimSpace(string(raw)) == "1", err
}

// LocalnetRouting allows or forbids packets from 127.0.0.1 to leave through a link. The kernel
// drops them by default, because loopback addresses mean nothing on another link. Publishing a port
// at 127.0.0.1 needs it: the packet has the source 127.0.0.1 until masquerading, the last hook,
// changes it. The price: packets *to* 127.0.0.1 that come in through the link are no longer dropped
// either. So a machine on that link can reach servers that trust the loopback interface
// (CVE-2020-8558). (ip-sysctl.rst, route_localnet)
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
