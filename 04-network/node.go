//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/04-network/network"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/kit/child"
)

// A node is a machine in a step's world: a process that keeps a network namespace, and carries out
// orders in it. It has its own network and mount namespace, and otherwise is no container.
type node struct {
	*child.Process
	name string
	proc *procfs.Process // what package network acts on
}

// An order says what a node should do. A report is its result: a text, or an error in words. The steps
// compare the reports with the feature and without it.
type order struct{ Do, Arg, More string }

type report struct{ Text, Error string }

func (r report) String() string {
	if r.Error != "" {
		return r.Error
	}
	return r.Text
}

func (r report) ok() bool { return r.Error == "" }

var nodeChild = child.Register("node", func(c *child.Conn) error {
	for {
		var o order
		if err := c.Next(&o); err != nil {
			return nil // the step has ended
		}
		if err := c.Send(carryOut(o)); err != nil {
			return err
		}
	}
})

// patience is how long a node waits for an answer from the same machine. It is more than a second
// because the kernel can take that long to notice a link's carrier.
const patience = 1500 * time.Millisecond

// carryOut carries out an order and reports the result in words.
func carryOut(o order) report {
	text, err := obey(o)
	if err != nil {
		return report{Error: reason(err)}
	}
	return report{Text: text}
}

// answered is the report of a ping that was answered.
const answered = "answered, TTL %d"

func obey(o order) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch o.Do {
	case "loopback":
		return "up", lo.Up()
	case "ping":
		echo, err := network.Ping(ctx, netip.MustParseAddr(o.Arg))
		return fmt.Sprintf(answered, echo.TTL), err
	case "serve":
		return serve(o.Arg, o.More)
	case "dial":
		return dial(ctx, o.Arg)
	case "overhear":
		return overhear(o.Arg)
	case "overheard":
		return <-heard, nil
	case "send":
		return "sent", send(o.Arg)
	case "etc":
		return "written", writeEtc(o.Arg, o.More)
	case "lookup":
		list, err := resolver.LookupNetIP(ctx, "ip4", o.Arg)
		if err != nil {
			return "", err
		}
		return list[0].Unmap().String(), nil
	}
	return "", fmt.Errorf("unknown order %q", o.Do)
}

// resolver is Go's own: it reads /etc/hosts and /etc/resolv.conf, and sends DNS queries itself.
var resolver = net.Resolver{PreferGo: true}

// serve starts a server that sends each client its name and the client's address.
func serve(address, name string) (string, error) {
	l, err := net.Listen("tcp4", address)
	if err != nil {
		return "", err
	}
	go greet(l, name)
	return l.Addr().String(), nil
}

func greet(l net.Listener, name string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		from, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		fmt.Fprintf(conn, "%s sees %s", name, from)
		_ = conn.Close()
	}
}

// dial connects to a server and returns its answer.
func dial(ctx context.Context, address string) (string, error) {
	d := net.Dialer{Resolver: &resolver}
	conn, err := d.DialContext(ctx, "tcp4", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 200)
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}

// send sends a datagram.
func send(address string) error {
	conn, err := net.Dial("udp4", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte("hello"))
	return err
}

var heard = make(chan string, 1)

// overhear waits for one datagram; the order "overheard" then reports its source address. A datagram
// needs no answer, so it shows the source even if no answer could reach it.
func overhear(address string) (string, error) {
	// With rp_filter the kernel drops packets to whose source it has no route. The larger value of "all"
	// and the link counts. (Documentation/networking/ip-sysctl.rst)
	for _, link := range []string{"all", network.Inside} {
		_ = os.WriteFile("/proc/sys/net/ipv4/conf/"+link+"/rp_filter", []byte("0"), 0o644)
	}
	conn, err := net.ListenPacket("udp4", address)
	if err != nil {
		return "", err
	}
	go func() {
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(2 * patience))
		_, source, err := conn.ReadFrom(make([]byte, 100))
		if err != nil {
			heard <- "no datagram"
			return
		}
		from, _, _ := net.SplitHostPort(source.String())
		heard <- from
	}()
	return "listening", nil
}

// writeEtc mounts a new /etc that has only these two files. The mount must not propagate out of the
// node's mount namespace: see 02-namespaces/mnt.
func writeEtc(resolv, hosts string) error {
	if err := namespace.MakePrivate(); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/etc", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755"); err != nil {
		return os.NewSyscallError("mount(tmpfs, /etc)", err)
	}
	if err := os.WriteFile("/etc/resolv.conf", []byte(resolv), 0o644); err != nil {
		return err
	}
	return os.WriteFile("/etc/hosts", []byte(hosts), 0o644)
}

// noSuchHost is the report of a lookup that a DNS server answered with NXDOMAIN.
const noSuchHost = "no such host"

// reason returns an error in words, without addresses: "network is unreachable", "timeout".
func reason(err error) string {
	var dns *net.DNSError
	var no syscall.Errno
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return noSuchHost
	case errors.As(err, &no):
		return no.Error()
	case dns != nil && !dns.IsTimeout:
		return "no DNS answer" // no server, or one that refuses: machines differ
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		strings.Contains(err.Error(), "i/o timeout"):
		return "timeout"
	}
	return err.Error()
}

// newNode starts a node.
func newNode(name string) (*node, error) {
	p, err := child.Command(nodeChild)
	if err != nil {
		return nil, err
	}
	namespace.Spec{New: namespace.Net | namespace.Mount}.Apply(p.Cmd) // we are root in the sandbox
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	proc, err := procfs.Open(p.Process.Pid)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return &node{p, name, proc}, nil
}

// Close ends the node. Call it once.
func (n *node) Close() error { return errors.Join(n.Process.Close(), n.proc.Close()) }

// ask has the node carry out an order.
func (n *node) ask(do string, args ...string) (r report, err error) {
	args = append(args, "", "")
	if err := n.Send(order{do, args[0], args[1]}); err != nil {
		return r, err
	}
	err = n.Receive(&r)
	return r, err
}

// pings pings addresses from the node, one after the other.
func (n *node) pings(addrs ...string) (list []report, err error) {
	for _, a := range addrs {
		r, err := n.ask("ping", a)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// must is ask for an order whose failure ends the step.
func (n *node) must(do string, args ...string) error {
	r, err := n.ask(do, args...)
	if err == nil && !r.ok() {
		err = fmt.Errorf("%s: %s %s: %s", n.name, do, args[0], r.Error)
	}
	return err
}
