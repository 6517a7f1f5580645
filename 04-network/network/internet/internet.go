//go:build linux

package internet

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"

	"containerkit/02-namespaces/namespace"
	"containerkit/04-network/network"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/kit/child"
)

// Both ends of the uplink, from TEST-NET-3 of RFC 5737.
var (
	Host   = netip.MustParsePrefix("203.0.113.1/24")  // the host's address, as the Internet knows it
	Server = netip.MustParsePrefix("203.0.113.80/24") // a web server out there
)

// Uplink is the host's link to the Internet.
const Uplink = "ck-uplink"

// An Internet is a process that holds the namespace.
type Internet struct{ p *child.Process }

var server = child.Register("internet", serve)

// Start makes the namespace, connects it to our own, and starts the web server at port 80. Nothing out there knows a route
// to any container: an answer comes back only to the host's own address.
func Start() (*Internet, error) {
	p, err := child.Command(server)
	if err != nil {
		return nil, err
	}
	namespace.Spec{New: namespace.Net}.Apply(p.Cmd) // the host of the lessons has the right to
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start the internet: %w", err)
	}
	i := &Internet{p}
	if err := Connect(p.Process.Pid); err != nil {
		_ = i.Close()
		return nil, err
	}
	if err := p.Receive(nil); err != nil { // it serves
		_ = i.Close()
		return nil, err
	}
	return i, nil
}

// Connect lays the uplink from our namespace to that of pid.
func Connect(pid int) error {
	if err := network.Cable(pid, Uplink, network.Inside); err != nil {
		return err
	}
	if err := network.SetAddr(0, Uplink, Host); err != nil {
		return err
	}
	return network.SetAddr(pid, network.Inside, Server)
}

// Close ends the server, and with it the namespace and the uplink.
func (i *Internet) Close() error {
	_ = i.p.Close()
	// The kernel takes a namespace down some time after its last process; the cable should be gone when we return.
	return network.DeleteLink(Uplink)
}

func serve(c *child.Conn) error {
	if err := lo.Up(); err != nil {
		return err
	}
	l, err := net.Listen("tcp4", ":80")
	if err != nil {
		return err
	}
	go Greet(l)
	if err := c.Send("ready"); err != nil {
		return err
	}
	c.Wait()
	return nil
}

// Greet answers every HTTP request with the address from which it came: what the server knows of its client.
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
