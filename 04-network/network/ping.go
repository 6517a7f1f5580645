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

// Ping sends echo requests to addr from our network namespace, one every 200 ms, until addr answers
// or ctx is done. It needs CAP_NET_RAW, for a raw socket. (The ping command can use an ICMP socket
// instead if the sysctl net.ipv4.ping_group_range permits its group; in a new network namespace it
// permits no group. icmp(7), raw(7), RFC 792)
func Ping(ctx context.Context, addr netip.Addr) (Echo, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "ip4:icmp", addr.String())
	if err != nil {
		return Echo{}, err
	}
	defer conn.Close()
	// Close ends a Read when ctx is done; a deadline alone does not react to a canceled context.
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
				return Echo{}, err // for example "no route to host": ARP got no answer
			}
			if from, ttl, ok := echoReply(buf[:n], id); ok && from == addr {
				return Echo{from, ttl, time.Since(start)}, nil
			}
		}
	}
	return Echo{}, fmt.Errorf("ping %s: no answer: %w", addr, context.DeadlineExceeded)
}

// echoRequest builds an ICMP echo request: type 8, code 0, checksum, ID, sequence number.
func echoRequest(id, seq uint16) []byte {
	b := []byte{8, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = append(b, "containerkit"...)
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	return b
}

// echoReply parses an IPv4 packet and reports whether it is the reply (type 0) to a request with
// this ID.
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

// checksum returns the Internet checksum: the ones' complement of the ones' complement sum of all
// 16-bit words (RFC 1071).
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
