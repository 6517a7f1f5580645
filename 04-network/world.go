//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/04-network/network"
	"containerkit/04-network/network/internet"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/kit/narrate"
)

// A world holds what a step creates in the host's namespace. Its end removes everything, so that the
// next step finds a host with nothing but a loopback interface that is down.
type world struct{ nodes []*node }

// A machine is a node with an address in a bridge's subnet.
type machine struct {
	*node
	bridge network.Bridge
	addr   string
}

func (w *world) node(name string) (*node, error) {
	n, err := newNode(name)
	if err == nil {
		w.nodes = append(w.nodes, n)
	}
	return n, err
}

// machine starts a node on the bridge, with an address and no route to any other subnet.
func (w *world) machine(b network.Bridge, name string, addr netip.Prefix) (*machine, error) {
	n, err := w.node(name)
	if err != nil {
		return nil, err
	}
	end := network.LinkName(name)
	if err := network.Cable(n.proc, end, network.Inside); err != nil {
		return nil, err
	}
	if err := network.Plug(b.Name, end); err != nil {
		return nil, err
	}
	return &machine{n, b, addr.Addr().String()}, network.SetAddr(n.proc, network.Inside, addr)
}

// container starts a node that is attached to the bridge as a container is.
func (w *world) container(b network.Bridge, name string) (*machine, error) {
	n, err := w.node(name)
	if err != nil {
		return nil, err
	}
	if err := b.Create(); err != nil {
		return nil, err
	}
	taken, err := b.Leases()
	if err != nil {
		return nil, err
	}
	addr, err := b.Next(taken...)
	if err != nil {
		return nil, err
	}
	return &machine{n, b, addr.Addr().String()}, network.Attach(b, n.proc, name, addr)
}

// internet starts a node at the far end of the host's uplink. It has no route to any container.
func (w *world) internet() (*node, error) {
	n, err := w.node("the internet")
	if err != nil {
		return nil, err
	}
	return n, internet.Connect(n.proc)
}

// end stops all nodes and removes every link and rule. The kernel would remove the links together
// with the nodes' namespaces, but some time later.
func (w *world) end() {
	for _, n := range w.nodes {
		_ = n.Close()
	}
	links, _ := network.Links(nil)
	for _, l := range links {
		if l.Kind == "veth" || l.Kind == "bridge" {
			_ = network.DeleteLink(l.Name)
		}
	}
	_ = network.Reset()
	_ = network.Forwarding(false)
	_ = network.SetUp(nil, "lo", false)
}

// ask opens a step with its question and its idea. With -v it also shows an ordinary user how root in
// the step maps to the host.
func ask(n *narrate.Narrator, question, idea string) {
	n.Question(question)
	n.Idea(idea)
	if !ordinaryUser() {
		return
	}
	if text, err := os.ReadFile("/proc/self/uid_map"); err == nil {
		n.Detail(narrate.Show("/proc/self/uid_map", strings.Join(strings.Fields(string(text)), " "),
			"root here is you on the host"))
	}
}

// show returns a row with a report.
func show(label string, r report) narrate.Row { return narrate.Show(label, r.String()) }

// compare returns a row with a report and its control.
func compare(label string, r report, control string, was report) narrate.Row {
	return narrate.Compare(label, r.String(), control, was.String())
}

// ordinaryUser reports whether an ordinary user started the program. In the sandbox the program is
// root either way, but only root on the host can map the first of the containers' UIDs.
func ordinaryUser() bool {
	uids, _ := namespace.ContainerIDs()
	return uids[0].Outside != namespace.FirstID
}

// twoSubnets returns containers on two bridges of the host: web and its neighbor cache on ck-red, db
// on ck-blue.
func twoSubnets(w *world) (web, db, cache *machine, err error) {
	red := network.Bridge{Name: "ck-red", Subnet: netip.MustParsePrefix("10.88.1.0/24")}
	blue := network.Bridge{Name: "ck-blue", Subnet: netip.MustParsePrefix("10.88.2.0/24")}
	if err := errors.Join(red.Create(), blue.Create()); err != nil {
		return nil, nil, nil, err
	}
	if web, err = w.machine(red, "web", netip.MustParsePrefix("10.88.1.2/24")); err != nil {
		return nil, nil, nil, err
	}
	if cache, err = w.machine(red, "cache", netip.MustParsePrefix("10.88.1.3/24")); err != nil {
		return nil, nil, nil, err
	}
	db, err = w.machine(blue, "db", netip.MustParsePrefix("10.88.2.2/24"))
	return web, db, cache, err
}

// here does on the host what a node does in its namespace.
func here(do string, args ...string) report {
	args = append(args, "", "")
	return carryOut(order{do, args[0], args[1]})
}

// hostServes runs a server on the host's loopback until the returned function is called.
func hostServes(address, name string) (stop func(), err error) {
	if err := lo.Up(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp4", address)
	if err != nil {
		return nil, err
	}
	go greet(l, name)
	return func() { _ = l.Close() }, nil
}

// nftSys is how nftables rules reach the kernel: a table, its chains and the rules in one batch.
const nftSys = "sendmsg(NFT_MSG_{NEWTABLE,NEWCHAIN,NEWRULE})"

// addAndRemove is what a step that adds rules does with -without: see resetWithout.
const addAndRemove = "Add the nftables rules, then remove their table again"

// resetWithout removes the rules if the step shows what happens without them. They have been added
// all the same: a kernel that lacks nftables must not pass for one that has no rule.
func resetWithout(n *narrate.Narrator) error {
	if n.Without {
		return network.Reset()
	}
	return nil
}

// noLinks skips the step if the kernel lacks a kind of link; it returns any other error.
func noLinks(n *narrate.Narrator, err error) error {
	if errors.Is(err, syscall.EOPNOTSUPP) {
		n.Skip(fmt.Sprintf("this kernel has no veth pairs or no bridges (%v); "+
			"load them: modprobe veth bridge", err), true)
		return nil
	}
	return err
}

// noSysctl skips the step if /proc/sys is read-only, as in many containers.
func noSysctl(n *narrate.Narrator, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		n.Skip(fmt.Sprintf("%v: /proc/sys is read-only, as in a Docker container; run the step on the "+
			"host, or in a container with --security-opt systempaths=unconfined", err), true)
		return nil
	}
	return err
}

// noNftables skips the step if the kernel lacks nftables or a part of it.
func noNftables(n *narrate.Narrator, err error) error {
	if network.NoNftables(err) {
		n.Skip(fmt.Sprintf("this kernel lacks nftables or a part of it (%v); load it: modprobe -a "+
			"nf_tables nft_chain_nat nft_masq nft_fib_ipv4 nf_conntrack", err), true)
		return nil
	}
	return err
}

// link returns a link in the network namespace of p (nil: ours), or the zero Link if it isn't there.
func link(p *procfs.Process, name string) (network.Link, error) {
	list, err := network.Links(p)
	i := slices.IndexFunc(list, func(l network.Link) bool { return l.Name == name })
	if i < 0 {
		return network.Link{}, err
	}
	return list[i], err
}

// orNone returns a text that says that there is none, where there is none.
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// file reads a file as the node sees it: /proc/PID/root is the process's root directory with its
// mounts. (proc_pid_root(5))
func (n *node) file(path string) string {
	text, err := n.proc.Read("root" + path)
	if err != nil {
		return err.Error()
	}
	return text
}

// lines joins what the kernel listed, one item a line.
func lines[T any](list []T, err error) string {
	if err != nil {
		return err.Error()
	}
	return join(list, "\n")
}

// join joins a list as text; an empty one is "none".
func join[T any](list []T, separator string) string {
	var out []string
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	return orNone(strings.Join(out, separator))
}
