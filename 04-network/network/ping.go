//go:build linux

package network

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// An Echo is the answer to a ping.
type Echo struct {
	From netip.Addr
	TTL  uint8 // 64 from most systems, less one for each router on the way back
	Time time.Duration
}

// Ping asks addr for an echo, from our network namespace, and asks again every 200 ms until it answers or ctx is done. It
// takes CAP_NET_RAW, for a raw socket. (The ping command gets by with an ICMP socket where the sysctl
// net.ipv4.ping_group_range allows it; in a new network namespace it allows nobody. icmp(7), raw(7), RFC 792.)
func Ping(ctx context.Context, addr netip.Addr) (Echo, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "ip4:icmp", addr.String())
	if err != nil {
		return Echo{}, err
	}
	defer conn.Close()
	// Close wakes a Read when time is up; a deadline alone would not hear of a cancelled context.
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	id := uint16(os.Getpid())
	buf := make([]byte, 1500)
	for seq := uint16(1); ctx.Err() == nil; seq++ {
		start := time.Now()
		if _, err := conn.Write(echoRequest(id, seq)); err != nil {
			return Echo{}, err
		}
		_ = conn.SetReadDeadline(start.Add(200 * time.Millisecond))
		for {
			n, _, _, _, err := conn.(*net.IPConn).ReadMsgIP(buf, nil) // unlike Read, it keeps the IP header, with the TTL
			if errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
				break
			} else if err != nil {
				return Echo{}, err // for example "no route to host": nobody answered to ARP
			}
			if from, ttl, ok := echoReply(buf[:n], id); ok && from == addr {
				return Echo{from, ttl, time.Since(start)}, nil
			}
		}
	}
	return Echo{}, fmt.Errorf("ping %s: no answer: %w", addr, context.DeadlineExceeded)
}

// echoRequest is type 8, code 0, a checksum, who asks, and the how manieth time.
func echoRequest(id, seq uint16) []byte {
	b := []byte{8, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = append(b, "containerkit"...)
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	return b
}

// echoReply takes an IPv4 packet apart and reports whether it is the answer (type 0) to a request with this id.
func echoReply(packet []byte, id uint16) (from netip.Addr, ttl uint8, ok bool) {
	if len(packet) < 20 {
		return
	}
	header := int(packet[0]&15) * 4 // in 32-bit words
	if len(packet) < header+8 {
		return
	}
	icmp := packet[header:]
	from = netip.AddrFrom4([4]byte(packet[12:16]))
	return from, packet[8], icmp[0] == 0 && binary.BigEndian.Uint16(icmp[4:]) == id
}

// checksum is the Internet's: the ones' complement of the ones' complement sum of all 16-bit words (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
