//go:build linux

package names

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

func TestAnswer(t *testing.T) {
	lookup := func(name string) (netip.Addr, bool) { return netip.MustParseAddr("10.88.0.2"), name == "db" }
	ask := func(name string, kind dnsmessage.Type) dnsmessage.Message {
		q := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
		}
		raw, err := q.Pack()
		require.NoError(t, err)
		reply, err := answer(raw, lookup)
		require.NoError(t, err)
		var m dnsmessage.Message
		require.NoError(t, m.Unpack(reply))
		require.EqualValues(t, 7, m.ID)
		require.True(t, m.Response)
		require.Equal(t, q.Questions, m.Questions)
		return m
	}
	m := ask("DB.", dnsmessage.TypeA)
	require.Len(t, m.Answers, 1)
	require.Equal(t, &dnsmessage.AResource{A: [4]byte{10, 88, 0, 2}}, m.Answers[0].Body)

	m = ask("db.", dnsmessage.TypeAAAA)
	require.Equal(t, dnsmessage.RCodeSuccess, m.RCode)
	require.Empty(t, m.Answers)

	require.Equal(t, dnsmessage.RCodeNameError, ask("nobody.", dnsmessage.TypeA).RCode)

	for _, bad := range []string{"", "short", strings.Repeat("\xff", 100)} {
		_, err := answer([]byte(bad), lookup)
		require.Error(t, err)
	}
}
