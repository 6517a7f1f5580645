//go:build linux

package network

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/require"
)

var testBridge = Bridge{"containerkit0", netip.MustParsePrefix("10.88.0.0/24")}

func TestBridgeCheck(t *testing.T) {
	require.NoError(t, Default.Check())
	for _, tt := range []struct{ name, subnet, want string }{
		{"", "10.0.0.0/24", "1 to 15 characters"},
		{"a-name-of-sixtee", "10.0.0.0/24", "1 to 15 characters"},
		{"br", "fd00::/64", "IPv4"},
		{"br", "10.0.0.7/24", "the subnet is 10.0.0.0/24"},
		{"br", "10.0.0.0/31", "no room"},
	} {
		require.ErrorContains(t, Bridge{tt.name, netip.MustParsePrefix(tt.subnet)}.Check(), tt.want)
	}
	require.Error(t, Bridge{Name: "br"}.Check())
}

func TestNext(t *testing.T) {
	b := Bridge{"br", netip.MustParsePrefix("10.0.0.0/29")} // .1 is the gateway, .7 the broadcast
	require.Equal(t, "10.0.0.1/29", b.Gateway().String())
	var taken []netip.Addr
	for _, want := range []string{"10.0.0.2/29", "10.0.0.3/29", "10.0.0.4/29", "10.0.0.5/29", "10.0.0.6/29"} {
		a, err := b.Next(taken...)
		require.NoError(t, err)
		require.Equal(t, want, a.String())
		taken = append(taken, a.Addr())
	}
	_, err := b.Next(taken...)
	require.ErrorContains(t, err, "full")
	a, err := b.Next(taken[0], taken[2]) // a gap is filled
	require.NoError(t, err)
	require.Equal(t, "10.0.0.3/29", a.String())
}

func TestLinkName(t *testing.T) {
	require.Equal(t, "ck-web", LinkName("web"))
	require.Equal(t, "ck-123456789012", LinkName("123456789012"))
	long, other := LinkName("1234567890123"), LinkName("1234567890124")
	require.Len(t, long, maxName)
	require.NotEqual(t, long, other)
}

func TestRulesInTheLanguageOfNft(t *testing.T) {
	red, blue := Bridge{"ck-red", netip.MustParsePrefix("10.88.1.0/24")}, Bridge{"ck-blue", netip.MustParsePrefix("10.88.2.0/25")}
	var got []string
	box := netip.MustParseAddr("10.88.0.2")
	for _, r := range append([]Rule{
		rule("postrouting", from(blue.Subnet), unless(outBy(blue.Name)), count, masq),
		rule("prerouting", toUs, port(Port{}.protocol(), 8080), count, dnat(box, 80)),
		rule("postrouting", from(testBridge.Subnet), to(box), outBy(testBridge.Name), redirected, count, masq),
		rule("prerouting", toUs, port(Port{UDP: true}.protocol(), 53), count, dnat(box, 53)),
	}, isolate(red, blue)...) {
		got = append(got, r.String())
		require.Contains(t, hooks, r.Chain)
	}
	require.Equal(t, []string{
		`postrouting: ip saddr 10.88.2.0/25 oifname != "ck-blue" counter packets 0 masquerade`,
		`prerouting: fib daddr type local tcp dport 8080 counter packets 0 dnat to 10.88.0.2:80`,
		`postrouting: ip saddr 10.88.0.0/24 ip daddr 10.88.0.2 oifname "containerkit0" ct status dnat counter packets 0 masquerade`,
		`prerouting: fib daddr type local udp dport 53 counter packets 0 dnat to 10.88.0.2:53`,
		`forward: iifname "ck-red" oifname "ck-blue" counter packets 0 drop`,
		`forward: iifname "ck-blue" oifname "ck-red" counter packets 0 drop`,
	}, got)
}

func TestRuleKeyIsWithoutCounts(t *testing.T) {
	a, b := isolate(testBridge, testBridge)[0], isolate(testBridge, testBridge)[0]
	for i, e := range b.Exprs {
		if _, ok := e.(*expr.Counter); ok {
			b.Exprs[i] = &expr.Counter{Packets: 7, Bytes: 500}
		}
	}
	require.EqualValues(t, 7, b.Packets())
	require.NotEqual(t, a.String(), b.String())
	require.Equal(t, a.key(), b.key())
}

func TestPortCheck(t *testing.T) {
	ok := Port{Host: 1, To: netip.MustParseAddr("10.0.0.2"), Port: 65535}
	require.NoError(t, ok.Check())
	require.Error(t, Port{To: ok.To, Port: 80}.Check())
	require.Error(t, Port{Host: 80, To: ok.To}.Check())
	require.Error(t, Port{Host: 80, To: netip.MustParseAddr("::1"), Port: 80}.Check())
	require.Error(t, Port{Host: 80, Port: 80}.Check())
}

func TestEcho(t *testing.T) {
	req := echoRequest(0x1234, 1)
	require.Zero(t, checksum(req), "a message with its checksum sums up to nothing (RFC 1071)")
	require.EqualValues(t, 0xffff-0x0102, checksum([]byte{1, 2}))

	header, err := hex.DecodeString("4500002800000000" + "3f01" + "0000" + "0a580202" + "0a580102")
	require.NoError(t, err)
	reply := append([]byte{}, req...)
	reply[0] = 0
	from, ttl, ok := echoReply(append(header, reply...), 0x1234)
	require.True(t, ok)
	require.Equal(t, "10.88.2.2", from.String())
	require.EqualValues(t, 63, ttl)
	_, _, ok = echoReply(append(header, reply...), 0x1235)
	require.False(t, ok, "somebody else's")
	_, _, ok = echoReply(append(header, req...), 0x1234)
	require.False(t, ok, "a request is no reply")
	for n := range len(header) + 8 {
		_, _, ok = echoReply(append(header, reply...)[:n], 0x1234)
		require.False(t, ok, "cut off at %d", n)
	}
}

func TestFiles(t *testing.T) {
	require.Equal(t, "nameserver 10.88.0.1\noptions timeout:1 attempts:2\n", Resolv(netip.MustParseAddr("10.88.0.1")))
	require.Equal(t, "127.0.0.1 localhost\n::1 localhost\n10.88.0.2 web\n", Hosts(Name{"web", netip.MustParseAddr("10.88.0.2")}))
}

func TestLinkString(t *testing.T) {
	l := Link{Index: 2, Name: "eth0", Kind: "veth", Peer: 5, Up: true, Ready: true, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}}
	require.Equal(t, "2: eth0@if5 up 10.0.0.2/24", l.String())
	l.Ready, l.Plug = false, "br0"
	require.Equal(t, "2: eth0@if5 up, no carrier in br0 10.0.0.2/24", l.String())
	require.Equal(t, "1: lo down", Link{Index: 1, Name: "lo"}.String())
}
