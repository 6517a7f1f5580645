//go:build linux

package names

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"containerkit/04-network/network"
)

// ServeAt answers the containers on the endpoint's bridge until stop is called. It knows these
// names, "gateway" and the endpoint's own name.
func ServeAt(e network.Endpoint, more ...network.Name) (stop func(), err error) {
	names := map[string]netip.Addr{strings.ToLower(e.Name): e.Addr.Addr(), "gateway": e.Bridge.Gateway().Addr()}
	for _, n := range more {
		names[strings.ToLower(n.Name)] = n.Addr
	}
	conn, err := net.ListenPacket("udp4", net.JoinHostPort(e.Bridge.Gateway().Addr().String(), "53"))
	if err != nil {
		return nil, fmt.Errorf("open the name server: %w", err)
	}
	go Serve(conn, func(name string) (netip.Addr, bool) {
		a, ok := names[name]
		return a, ok
	})
	return func() { _ = conn.Close() }, nil
}

// Serve answers questions for IPv4 addresses from the packets of conn until conn is closed. lookup
// gets a name in lower case without the final dot. A name that lookup does not know does not exist
// (NXDOMAIN), because this server asks no other. Open conn at the gateway's address, port 53, so
// that only containers of the bridge can ask. (RFC 1035)
func Serve(conn net.PacketConn, lookup func(name string) (netip.Addr, bool)) {
	buf := make([]byte, 1500)
	for {
		n, who, err := conn.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		if reply, err := answer(buf[:n], lookup); err == nil { // only questions get an answer
			_, _ = conn.WriteTo(reply, who)
		}
	}
}

// answer returns the reply to a question.
func answer(question []byte, lookup func(string) (netip.Addr, bool)) ([]byte, error) {
	var p dnsmessage.Parser
	head, err := p.Start(question)
	if err != nil {
		return nil, err
	}
	if head.Response {
		return nil, fmt.Errorf("not a question")
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	addr, known := lookup(strings.ToLower(strings.TrimSuffix(q.Name.String(), ".")))
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: head.ID, Response: true, Authoritative: true, RecursionDesired: head.RecursionDesired,
		},
		Questions: []dnsmessage.Question{q},
	}
	switch {
	case !known:
		reply.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA: // a known name without an IPv6 address is no error
		reply.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: addr.As4()},
		}}
	}
	return reply.Pack()
}
