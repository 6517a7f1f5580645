//go:build linux

package network

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Resolv is the text of an /etc/resolv.conf that names one server. (resolv.conf(5).)
func Resolv(server netip.Addr) string {
	return fmt.Sprintf("nameserver %s\noptions timeout:1 attempts:2\n", server)
}

// A Name is a name and its address.
type Name struct {
	Name string
	Addr netip.Addr
}

// Hosts is the text of an /etc/hosts that knows localhost and these names. (hosts(5).)
func Hosts(names ...Name) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, n := range names {
		fmt.Fprintf(&b, "%s %s\n", n.Addr, n.Name)
	}
	return b.String()
}

// ServeDNS answers questions for IPv4 addresses from the packets of conn until conn is closed. lookup knows the names, in
// lower case and without the final dot; what it does not know does not exist (NXDOMAIN): this server asks nobody else.
// Open conn at the gateway's address, port 53, and only the bridge's containers can ask. (RFC 1035.)
func ServeDNS(conn net.PacketConn, lookup func(name string) (netip.Addr, bool)) {
	buf := make([]byte, 1500)
	for {
		n, who, err := conn.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		if reply, err := answer(buf[:n], lookup); err == nil { // what is no question gets no answer
			_, _ = conn.WriteTo(reply, who)
		}
	}
}

// answer makes the answer to a question.
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
	case q.Type == dnsmessage.TypeA: // asked for IPv6, a name that exists has no answer, which is no error
		reply.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: addr.As4()},
		}}
	}
	return reply.Pack()
}
