//go:build linux

package internet

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"

	"containerkit/02-namespaces/procfs"
	"containerkit/04-network/network"
)

// Both ends of the uplink, from TEST-NET-3 of RFC 5737.
var (
	Host   = netip.MustParsePrefix("203.0.113.1/24")  // the host's address, as the Internet knows it
	Server = netip.MustParsePrefix("203.0.113.80/24") // a web server out there
)

// Uplink is the host's link to the Internet.
const Uplink = "ck-uplink"

// Connect creates the uplink between our network namespace and that of the process p.
func Connect(p *procfs.Process) error {
	if err := network.Cable(p, Uplink, network.Inside); err != nil {
		return err
	}
	if err := network.SetAddr(nil, Uplink, Host); err != nil {
		return err
	}
	return network.SetAddr(p, network.Inside, Server)
}

// Greet answers every HTTP request with the source address that the server sees.
func Greet(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed
		}
		go func() {
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != ""; { // up to the end of the request's header
			}
			from, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
			body := fmt.Sprintf("hello, %s\n", from)
			fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}()
	}
}
