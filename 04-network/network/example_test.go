//go:build linux

package network_test

import (
	"fmt"
	"log"
	"net/netip"

	"containerkit/04-network/network"
)

// The gateway has the first address of the subnet, and containers get those after it.
func ExampleBridge_Next() {
	b := network.Bridge{Name: "demo0", Subnet: netip.MustParsePrefix("10.88.7.0/24")}
	first, err := b.Next()
	if err != nil {
		log.Fatal(err)
	}
	second, err := b.Next(first.Addr())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.Gateway(), first, second)
	// Output: 10.88.7.1/24 10.88.7.2/24 10.88.7.3/24
}

// Hosts is the text of /etc/hosts in a container.
func ExampleHosts() {
	fmt.Print(network.Hosts(network.Name{Name: "db", Addr: netip.MustParseAddr("10.88.0.3")}))
	// Output:
	// 127.0.0.1 localhost
	// ::1 localhost
	// 10.88.0.3 db
}
