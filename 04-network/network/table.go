//go:build linux

package network

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TableName is the nftables table that holds all our rules. Tables of others, Docker's or a firewall's, are not touched;
// a packet passes the chains of all tables, and one drop is enough.
const TableName = "containerkit"

// A Port is a port of the host that leads to a port of a container.
type Port struct {
	Host uint16     // on every address of the host
	To   netip.Addr // the container
	Port uint16     // in the container
	UDP  bool       // TCP if false
}

// Masquerade lets the containers of a bridge out under the host's address. (nft(8), NAT STATEMENTS.)
func Masquerade(b Bridge) error {
	if err := b.Check(); err != nil {
		return err
	}
	rules, err := masquerade(b)
	if err != nil {
		return err
	}
	return add(rules)
}

// Publish makes a port of the host lead to a port of a container on the bridge: for callers from afar, for the
// host itself at any of its addresses and at 127.0.0.1, and for the container's neighbors.
func Publish(b Bridge, p Port) error {
	if err := errors.Join(b.Check(), p.Check()); err != nil {
		return err
	}
	rules, err := publish(b, p)
	if err != nil {
		return err
	}
	if err := add(rules); err != nil {
		return err
	}
	return LocalnetRouting(b.Name, true)
}

// Isolate drops everything that goes from one bridge to the other.
func Isolate(a, b Bridge) error {
	if err := errors.Join(a.Check(), b.Check()); err != nil {
		return err
	}
	return add(isolate(a, b))
}

var table = &nftables.Table{Name: TableName, Family: nftables.TableFamilyIPv4}

// add puts rules into our table, in one transaction: all of them are in force, or none. Table and chains are made if they
// are not there. A rule that is there already, as Connect's masquerading for the second container, is not added again.
func add(rules []Rule) error {
	have, err := Rules()
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, r := range have {
		there[r.key()] = true
	}
	c, err := nftables.New()
	if err != nil {
		return err
	}
	c.AddTable(table)
	for _, r := range rules {
		if there[r.key()] {
			continue
		}
		h := hooks[r.Chain]
		chain := c.AddChain(&nftables.Chain{Name: r.Chain, Table: table, Type: h.kind, Hooknum: h.hook, Priority: h.priority})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: r.Exprs})
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("add rules to nftables table %s: %w", TableName, err)
	}
	return nil
}

// key is the rule without what the kernel counted.
func (r Rule) key() string {
	bare := Rule{Chain: r.Chain}
	for _, e := range r.Exprs {
		if _, counter := e.(*expr.Counter); !counter {
			bare.Exprs = append(bare.Exprs, e)
		}
	}
	return bare.String()
}

// Rules reads back what the kernel holds in our table. No table is no rules.
func Rules() ([]Rule, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, err
	}
	chains, err := c.ListChainsOfTableFamily(table.Family)
	if err != nil {
		return nil, fmt.Errorf("list nftables chains: %w", err)
	}
	var all []Rule
	for _, ch := range chains {
		if ch.Table.Name != TableName {
			continue
		}
		rules, err := c.GetRules(table, ch)
		if err != nil {
			return nil, fmt.Errorf("list rules of nftables chain %s: %w", ch.Name, err)
		}
		for _, r := range rules {
			all = append(all, Rule{ch.Name, r.Exprs})
		}
	}
	return all, nil
}

// Reset removes our table with all its rules. Connections that are known already are still translated.
func Reset() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	c.AddTable(table) // so that removing it never fails for want of one
	c.DelTable(table)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("remove nftables table %s: %w", TableName, err)
	}
	return nil
}

// NoNftables reports whether an error means that this kernel has no nftables, or none with NAT, and not that we asked wrongly.
func NoNftables(err error) bool {
	return errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT)
}

// Flows is the host's memory of the connections it translates: who called whom, and whom the answer is taken to be from
// and to. NAT rules are asked for the first packet only; all others follow this table. (conntrack(8).)
func Flows() ([]string, error) {
	flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	var out []string
	for _, f := range flows {
		out = append(out, fmt.Sprintf("%s:%d → %s:%d, answered %s:%d → %s:%d",
			f.Forward.SrcIP, f.Forward.SrcPort, f.Forward.DstIP, f.Forward.DstPort,
			f.Reverse.SrcIP, f.Reverse.SrcPort, f.Reverse.DstIP, f.Reverse.DstPort))
	}
	return out, nil
}
