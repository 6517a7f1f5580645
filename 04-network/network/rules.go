//go:build linux

package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// This file builds rules. It makes no system calls.
//
// A rule of nftables is a small program. It loads a part of the packet into a register, compares
// it, and continues with the next expression only if the comparison holds. The last expression is
// the action. Each helper below is one condition, as in the language of nft, and its comment has
// the text of nft(8).

// A Rule is a program for the packets that traverse a chain.
type Rule struct {
	Chain string
	Exprs []expr.Any
}

// A hook is a point in a packet's path through the host, at which a chain of ours is evaluated.
type hook struct {
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	priority *nftables.ChainPriority
}

var hooks = map[string]hook{
	// An incoming packet, before routing: its destination can still be changed.
	"prerouting": {nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest},
	// A packet from the host's own processes; it does not traverse prerouting.
	"output": {nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest},
	// A packet that is forwarded from one link to another.
	"forward": {nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter},
	// A packet about to leave, after routing: its source address can be changed to that of the
	// link.
	"postrouting": {nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource},
}

// Check returns an error if the port numbers or the address are invalid.
func (p Port) Check() error {
	if p.Host == 0 || p.Port == 0 {
		return errors.New("a port is a number from 1 to 65535")
	}
	if !p.To.Is4() {
		return fmt.Errorf("a port leads to an IPv4 address, not %s", p.To)
	}
	return nil
}

func (p Port) protocol() byte {
	if p.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

// isolate returns rules that drop packets from one bridge to the other, in both directions.
func isolate(a, b Bridge) []Rule {
	return []Rule{
		rule("forward", inBy(a.Name), outBy(b.Name), count, drop),
		rule("forward", inBy(b.Name), outBy(a.Name), count, drop),
	}
}

var (
	count = []expr.Any{&expr.Counter{}}                       // counter
	masq  = []expr.Any{&expr.Masq{}}                          // masquerade
	drop  = []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}} // drop
	toUs  = []expr.Any{                                       // fib daddr type local
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL)},
	}
	redirected = []expr.Any{ // ct status dnat
		&expr.Ct{Key: expr.CtKeySTATUS, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4,
			Mask: binary.NativeEndian.AppendUint32(nil, ipsDstNAT), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
)

// ipsDstNAT is IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h: the connection's destination was changed.
const ipsDstNAT = 1 << 5

func rule(chain string, parts ...[]expr.Any) Rule {
	r := Rule{Chain: chain}
	for _, p := range parts {
		r.Exprs = append(r.Exprs, p...)
	}
	return r
}

// ip saddr 10.88.0.0/24: the source address is 12 bytes into the IPv4 header.
func from(subnet netip.Prefix) []expr.Any {
	mask := make([]byte, 4)
	binary.BigEndian.PutUint32(mask, ^uint32(0)<<(32-subnet.Bits()))
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: subnet.Addr().AsSlice()},
	}
}

// ip daddr 10.88.0.2: the destination address is 16 bytes into the IPv4 header.
func to(a netip.Addr) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: a.AsSlice()},
	}
}

// tcp dport 8080: the destination port is 2 bytes into the header of both TCP and UDP.
func port(protocol byte, n uint16) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, n)},
	}
}

// dnat to 10.88.0.2:80: the new destination is taken from two registers.
func dnat(a netip.Addr, port uint16) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: a.AsSlice()},
		&expr.Immediate{Register: 2, Data: binary.BigEndian.AppendUint16(nil, port)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2},
	}
}

func inBy(link string) []expr.Any  { return byName(expr.MetaKeyIIFNAME, link) } // iifname "ck-red"
func outBy(link string) []expr.Any { return byName(expr.MetaKeyOIFNAME, link) } // oifname "ck-red"

func byName(key expr.MetaKey, link string) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ) // the kernel compares all 16 bytes, zeros included
	copy(name, link)
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
	}
}

// unless inverts the comparison at the end of a condition.
func unless(e []expr.Any) []expr.Any {
	e[len(e)-1].(*expr.Cmp).Op = expr.CmpOpNeq
	return e
}

// String formats a rule in the language of nft(8). It reads the expressions, so for a rule from the
// kernel it shows what the kernel has, with the counters. It knows only the expressions that are
// used above.
func (r Rule) String() string {
	var out []string
	var loaded string   // what the register holds, in words
	var values [][]byte // what immediates loaded
	var bits = 32       // of a subnet
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Payload:
			loaded = map[uint32]string{12: "ip saddr", 16: "ip daddr", 2: "dport"}[e.Offset]
		case *expr.Meta:
			loaded = map[expr.MetaKey]string{expr.MetaKeyIIFNAME: "iifname", expr.MetaKeyOIFNAME: "oifname"}[e.Key]
		case *expr.Fib:
			loaded = "fib daddr type"
		case *expr.Ct:
			loaded = "ct status"
		case *expr.Bitwise:
			bits = 32 - len(strings.TrimLeft(fmt.Sprintf("%032b", binary.BigEndian.Uint32(e.Mask)), "1"))
		case *expr.Cmp:
			out = append(out, condition(loaded, e, bits))
			bits = 32
		case *expr.Immediate:
			values = append(values, e.Data)
		case *expr.NAT:
			a, _ := netip.AddrFromSlice(values[0])
			out = append(out, fmt.Sprintf("dnat to %s:%d", a, binary.BigEndian.Uint16(values[1])))
		case *expr.Masq:
			out = append(out, "masquerade")
		case *expr.Counter:
			out = append(out, fmt.Sprintf("counter packets %d", e.Packets))
		case *expr.Verdict:
			out = append(out, map[expr.VerdictKind]string{expr.VerdictDrop: "drop", expr.VerdictAccept: "accept"}[e.Kind])
		}
	}
	return r.Chain + ": " + strings.Join(out, " ")
}

func condition(loaded string, e *expr.Cmp, bits int) string {
	not := ""
	if e.Op == expr.CmpOpNeq {
		not = "!= "
	}
	switch loaded {
	case "ip saddr", "ip daddr":
		a, _ := netip.AddrFromSlice(e.Data)
		if bits < 32 {
			return fmt.Sprintf("%s %s%s/%d", loaded, not, a, bits)
		}
		return fmt.Sprintf("%s %s%s", loaded, not, a)
	case "iifname", "oifname":
		return fmt.Sprintf("%s %s%q", loaded, not, strings.TrimRight(string(e.Data), "\x00"))
	case "dport":
		return fmt.Sprintf("dport %d", binary.BigEndian.Uint16(e.Data))
	case "fib daddr type":
		return loaded + " local"
	case "ct status":
		return loaded + " dnat"
	case "": // meta l4proto
		return map[byte]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp"}[e.Data[0]]
	}
	return loaded
}

// Packets returns how many packets reached the rule's counter.
func (r Rule) Packets() uint64 {
	for _, e := range r.Exprs {
		if c, ok := e.(*expr.Counter); ok {
			return c.Packets
		}
	}
	return 0
}
