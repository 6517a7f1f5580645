//go:build linux

package network_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
	"containerkit/04-network/network"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/errno"
)

func TestMain(m *testing.M) {
	child.Init()
	os.Exit(m.Run())
}

// holder holds a network namespace open: a container, or the internet, as far as its packets are concerned.
var holder = child.Register("hold", func(c *child.Conn) error { c.Wait(); return nil })

// hold creates a network namespace and returns the process in it. It ends with us.
func hold() (*procfs.Process, error) {
	p, err := child.Command(holder)
	if err != nil {
		return nil, err
	}
	p.SysProcAttr.Cloneflags |= unix.CLONE_NEWNET
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start a process in a new network namespace: %w", err)
	}
	return procfs.Open(p.Process.Pid) // nobody waits for it
}

// attach makes a network namespace and attaches it to the default bridge, as a container is.
func attach(name, addr string) (*procfs.Process, error) {
	box, err := hold()
	if err != nil {
		return nil, err
	}
	if err := network.Default.Create(); err != nil {
		return nil, err
	}
	return box, network.Attach(network.Default, box, name, netip.MustParsePrefix(addr))
}

// serve answers every client of the address in the namespace of p: who it is, and from where it was called.
func serve(p *procfs.Process, address, name string) error {
	return network.In(p, func() error {
		l, err := net.Listen("tcp4", address)
		if err != nil {
			return err
		}
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				from, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
				fmt.Fprintf(conn, "%s sees %s", name, from)
				_ = conn.Close()
			}
		}()
		return nil
	})
}

// patience is how long we wait for what should work at once: all of it is on this machine.
const patience = 1500 * time.Millisecond

// call calls a server from the namespace of p (nil: ours) and returns what it says, or how that failed.
func call(p *procfs.Process, address string) (said string) {
	err := network.In(p, func() error {
		conn, err := net.DialTimeout("tcp4", address, patience)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		raw, err := io.ReadAll(conn)
		said = string(raw)
		return err
	})
	if err != nil {
		return reason(err)
	}
	return said
}

// ping asks an address for an echo from the namespace of p (nil: ours).
func ping(p *procfs.Process, addr string) string {
	err := network.In(p, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := network.Ping(ctx, netip.MustParseAddr(addr))
		return err
	})
	if err != nil {
		return reason(err)
	}
	return "answered"
}

func reason(err error) string {
	var timeout interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return "no answer"
	}
	return errno.Outcome(err)
}

// linkNames are the links in the namespace of p (nil: ours), in one line, as `ip link` tells them.
func linkNames(p *procfs.Process) string {
	links, err := network.Links(p)
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, l := range links {
		state := "down"
		if l.Up {
			state = "up"
		}
		list = append(list, l.Name+" "+state)
	}
	return strings.Join(list, ", ")
}

// routes are those of the namespace of p (nil: ours), in one line.
func routes(p *procfs.Process) string {
	list, err := network.Routes(p)
	if err != nil {
		return err.Error()
	}
	return strings.Join(list, ", ")
}

// rules are those in our table as the kernel has them, in one line.
func rules() string {
	list, err := network.Rules()
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, r := range list {
		lines = append(lines, r.String())
	}
	return strings.Join(lines, "; ")
}

// cables tells why there are no virtual cables here; "" if there are. It asks the kernel without the part.
func cables() string {
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "ck-try"}, PeerName: "ck-tried"}
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Sprintf("no virtual cable can be laid here (%v): load the modules veth and bridge", err)
	}
	if err := netlink.LinkDel(link); err != nil {
		return err.Error()
	}
	return ""
}

// translating tells why addresses cannot be translated here; "" if they can. It asks the kernel itself for what the
// exercises need, in a table of another name.
func translating() string {
	if lacking := cables(); lacking != "" {
		return lacking
	}
	c, err := nftables.New()
	if err != nil {
		return err.Error()
	}
	table := c.AddTable(&nftables.Table{Name: "containerkit-try", Family: nftables.TableFamilyIPv4})
	chain := c.AddChain(&nftables.Chain{Name: "try", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Ct{Key: expr.CtKeySTATUS, Register: 1}, &expr.Counter{}, &expr.Masq{}}})
	if err := c.Flush(); err != nil {
		return fmt.Sprintf("addresses cannot be translated here (%v): the modules nf_tables, nft_chain_nat, nft_masq, nft_fib_ipv4 and nf_conntrack are needed", err)
	}
	c.DelTable(table)
	if err := c.Flush(); err != nil {
		return err.Error()
	}
	return forwarding()
}

// forwarding switches it on, or tells why it cannot be.
func forwarding() string {
	if err := network.Forwarding(true); err != nil {
		return fmt.Sprintf("%v: /proc/sys is read-only here, as in a Docker container", err)
	}
	return ""
}
