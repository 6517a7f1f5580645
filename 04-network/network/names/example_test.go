//go:build linux

package names_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"

	"containerkit/04-network/network/names"
)

// Serve answers on any socket. Here both sides are on the loopback interface.
func ExampleServe() {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	go names.Serve(conn, func(name string) (netip.Addr, bool) {
		return netip.MustParseAddr("10.88.0.3"), name == "db"
	})
	dial := func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("udp4", conn.LocalAddr().String())
	}
	resolver := net.Resolver{PreferGo: true, Dial: dial}
	addrs, err := resolver.LookupNetIP(context.Background(), "ip4", "db.")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(addrs)
	// Output: [10.88.0.3]
}
