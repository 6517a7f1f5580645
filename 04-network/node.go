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

// A node is a machine in a lesson's little world: a process that holds a network namespace open, and tries from inside
// what it is asked to. It has a network namespace and mounts of its own, and is otherwise no container.
type node struct {
	*child.Process
	name string
	proc *procfs.Process // what the parts act on
}

// An order is what a node is asked to do; report is what came of it: a text, or an error in words. Which it is,
// and that it is different with and without the feature, is what the lessons measure.
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
			return nil // nobody asks any more
		}
		if err := c.Send(carryOut(o)); err != nil {
			return err
		}
	}
})

// patience is how long we wait for what should work at once: the other side is on the same machine. It is more than a
// second because the kernel may take that long to notice that a cable was plugged in.
const patience = 1500 * time.Millisecond

// carryOut does it and puts what came of it into words.
func carryOut(o order) report {
	text, err := obey(o)
	if err != nil {
		return report{Error: reason(err)}
	}
	return report{Text: text}
}

func obey(o order) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch o.Do {
	case "loopback":
		return "up", lo.Up()
	case "ping":
		echo, err := network.Ping(ctx, netip.MustParseAddr(o.Arg))
		return fmt.Sprintf("answered, TTL %d", echo.TTL), err
	case "serve":
		return serve(o.Arg, o.More)
	case "dial":
		return dial(ctx, o.Arg)
	case "overhear":
		return overhear(o.Arg)
	case "overheard":
		return <-heard, nil
	case "send":
		conn, err := net.Dial("udp4", o.Arg)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("hello"))
		return "sent", err
	case "etc":
		return "written", writeEtc(o.Arg, o.More)
	case "lookup":
		list, err := resolver.LookupNetIP(ctx, "ip4", o.Arg)
		if err != nil {
			return "", err
		}
		return list[0].Unmap().String(), nil
	}
	return "", fmt.Errorf("a node cannot %s", o.Do)
}

// resolver is Go's own: it reads this process's /etc/resolv.conf and /etc/hosts, and asks by itself.
var resolver = net.Resolver{PreferGo: true}

// serve answers whoever calls: who it is, and from which address it was called.
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

// dial calls a server and returns what it says.
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

var heard = make(chan string, 1)

// overhear waits for one datagram; "overheard" then tells from whom it came. A datagram needs no answer: it shows the
// source address even of those to whom no answer could go.
func overhear(address string) (string, error) {
	// rp_filter is a check of its own that drops packets to which no answer could go. It would hide what we want to see.
	// (ip-sysctl.rst; the larger of all's and the link's value counts.)
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
		_, who, err := conn.ReadFrom(make([]byte, 100))
		if err != nil {
			heard <- "nothing"
			return
		}
		from, _, _ := net.SplitHostPort(who.String())
		heard <- from
	}()
	return "listening", nil
}

// writeEtc gives the node an /etc of its own with these two files and nothing else. Mounts of its own it has already; they
// must not propagate back (see 02-namespaces/mnt).
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

// reason is what went wrong, without the addresses that vary: "network is unreachable", "timeout".
func reason(err error) string {
	var dns *net.DNSError
	var no syscall.Errno
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &no):
		return no.Error()
	case dns != nil && !dns.IsTimeout:
		return "no answer to the question for a name" // from nobody, or refused, as the machine has it
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), strings.Contains(err.Error(), "i/o timeout"):
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
	namespace.Spec{New: namespace.Net | namespace.Mount}.Apply(p.Cmd) // the sandbox has the right to
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	proc, err := procfs.Open(p.Process.Pid)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return &node{p, name, proc}, nil
}

// Close ends the node. It may be called once.
func (n *node) Close() error { return errors.Join(n.Process.Close(), n.proc.Close()) }

// ask has the node do something.
func (n *node) ask(do string, args ...string) (r report, err error) {
	args = append(args, "", "")
	if err := n.Send(order{do, args[0], args[1]}); err != nil {
		return r, err
	}
	err = n.Receive(&r)
	return r, err
}

// must is ask where a failure is no measurement but the end of the step.
func (n *node) must(do string, args ...string) error {
	r, err := n.ask(do, args...)
	if err == nil && !r.ok() {
		err = fmt.Errorf("%s: %s %s: %s", n.name, do, args[0], r.Error)
	}
	return err
}

// lines joins what a look at the kernel returned, one a line.
func lines[T any](list []T, err error) string {
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	if out == nil {
		return "none"
	}
	return strings.Join(out, "\n")
}
