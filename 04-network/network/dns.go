//go:build linux

package network

import (
	"fmt"
	"net/netip"
	"strings"
)

// Resolv returns the text of an /etc/resolv.conf that names one server. (resolv.conf(5))
func Resolv(server netip.Addr) string {
	return fmt.Sprintf("nameserver %s\noptions timeout:1 attempts:2\n", server)
}

// A Name is a name and its address.
type Name struct {
	Name string
	Addr netip.Addr
}

// Hosts returns the text of an /etc/hosts with localhost and these names. (hosts(5))
func Hosts(names ...Name) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, n := range names {
		fmt.Fprintf(&b, "%s %s\n", n.Addr, n.Name)
	}
	return b.String()
}
