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

// TableName is the nftables table that holds all our rules. Other tables, such as Docker's or a
// firewall's, are not changed. A packet traverses the chains of all tables, and one drop verdict in
// any of them drops it.
const TableName = "containerkit"

// A Port publishes a port of a container at a port of the host.
type Port struct {
	Host uint16     // on every address of the host
	To   netip.Addr // the container
	Port uint16     // in the container
	UDP  bool       // TCP if false
}

// Masquerade gives packets from the containers of a bridge the host's address when they leave.
// (nft(8), NAT STATEMENTS)
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

// Publish forwards a port of the host to a port of a container on the bridge. It works from other
// machines, from the host at any of its addresses and at 127.0.0.1, and from the container's
// neighbors.
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

// Isolate drops all packets from one bridge to the other, in both directions.
func Isolate(a, b Bridge) error {
	if err := errors.Join(a.Check(), b.Check()); err != nil {
		return err
	}
	return add(isolate(a, b))
}

var table = &nftables.Table{Name: TableName, Family: nftables.TableFamilyIPv4}

// add adds rules to our table in one transaction: either all of them take effect or none. It
// creates the table and chains if they are missing. It does not add a rule again that the table
// has, such as the masquerade rule for a second container.
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

// key returns the text of the rule without its counters.
func (r Rule) key() string {
	bare := Rule{Chain: r.Chain}
	for _, e := range r.Exprs {
		if _, counter := e.(*expr.Counter); !counter {
			bare.Exprs = append(bare.Exprs, e)
		}
	}
	return bare.String()
}

// Rules returns the rules of our table, as the kernel has them. Without the table, there are no
// rules.
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

// Reset removes our table with all its rules. Existing conntrack entries still translate their
// connections.
func Reset() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	c.AddTable(table) // so that deleting it never fails because it is missing
	c.DelTable(table)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("remove nftables table %s: %w", TableName, err)
	}
	return nil
}

// NoNftables reports whether an error means that this kernel has no nftables, or no NAT in it.
func NoNftables(err error) bool {
	return errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT)
}

// Flows returns the connection tracking (conntrack) entries: the source and destination of each
// connection, and those of its replies. NAT rules are evaluated for the first packet only;
// conntrack translates later packets from its entry. (conntrack(8))
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
