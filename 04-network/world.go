//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"syscall"

	"containerkit/02-namespaces/namespace"
	"containerkit/04-network/network"
	"containerkit/04-network/network/internet"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/kit/narrate"
)

// A world is what a step has made in the host's namespace. It is taken down in one go, so that the next step finds a
// host with nothing but a loopback that is down.
type world struct{ nodes []*node }

// A machine is a node with an address on a bridge.
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

// machine is a node on the bridge, with an address and no route to anywhere else.
func (w *world) machine(b network.Bridge, name string, addr netip.Prefix) (*machine, error) {
	n, err := w.node(name)
	if err != nil {
		return nil, err
	}
	cable := network.LinkName(name)
	if err := network.Cable(n.proc, cable, network.Inside); err != nil {
		return nil, err
	}
	if err := network.Plug(b.Name, cable); err != nil {
		return nil, err
	}
	return &machine{n, b, addr.Addr().String()}, network.SetAddr(n.proc, network.Inside, addr)
}

// container is a node attached to the bridge as a container is, with everything.
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

// internet is a node at the other end of the host's uplink; it knows no way to any container.
func (w *world) internet() (*node, error) {
	n, err := w.node("the internet")
	if err != nil {
		return nil, err
	}
	return n, internet.Connect(n.proc)
}

// end stops all nodes, and removes every link and rule. (Links would go with the nodes' namespaces, but some time later.)
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

// ask opens a step: the question, and in whose shoes it is answered.
func ask(n *narrate.Narrator, question string) {
	n.Question(question)
	if ordinaryUser() {
		n.Note("You are an ordinary user; here you are root in a user namespace of your own, and its networks are yours.")
	}
}

// ordinaryUser tells whether the program was started by one. In the sandbox everybody is root; but only who may hand out
// user IDs is root outside as well.
func ordinaryUser() bool {
	uids, _ := namespace.ContainerIDs()
	return uids[0].Outside != namespace.FirstID
}

// twoSubnets is a host with two bridges and a container on each.
func twoSubnets(w *world) (web, db *machine, neighbour *machine, err error) {
	red := network.Bridge{Name: "ck-red", Subnet: netip.MustParsePrefix("10.88.1.0/24")}
	blue := network.Bridge{Name: "ck-blue", Subnet: netip.MustParsePrefix("10.88.2.0/24")}
	if err := errors.Join(red.Create(), blue.Create()); err != nil {
		return nil, nil, nil, err
	}
	if web, err = w.machine(red, "web", netip.MustParsePrefix("10.88.1.2/24")); err != nil {
		return nil, nil, nil, err
	}
	if neighbour, err = w.machine(red, "cache", netip.MustParsePrefix("10.88.1.3/24")); err != nil {
		return nil, nil, nil, err
	}
	db, err = w.machine(blue, "db", netip.MustParsePrefix("10.88.2.2/24"))
	return web, db, neighbour, err
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

// noLinks skips the step if the kernel has no links of a kind that it needs; any other error stays one.
func noLinks(n *narrate.Narrator, err error) error {
	if errors.Is(err, syscall.EOPNOTSUPP) {
		n.Skip(fmt.Sprintf("this kernel has no virtual cables or bridges (%v): load the modules veth and bridge (modprobe veth bridge)", err), true)
		return nil
	}
	return err
}

// noSysctl skips the step if /proc/sys cannot be written, as in many containers.
func noSysctl(n *narrate.Narrator, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		n.Skip(fmt.Sprintf("%v: /proc/sys is read-only here, as in a Docker container; run it outside, or in one with --security-opt systempaths=unconfined", err), true)
		return nil
	}
	return err
}

// noNftables skips the step if the kernel has no nftables.
func noNftables(n *narrate.Narrator, err error) error {
	if network.NoNftables(err) {
		n.Skip(fmt.Sprintf("this kernel lacks nftables or a part of it (%v): load the modules nf_tables, nft_chain_nat, nft_masq, nft_fib_ipv4 and nf_conntrack", err), true)
		return nil
	}
	return err
}

// quoted shows nothing as something.
func quoted(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// file reads a file as the node sees it. /proc/PID/root is that process's root, its mounts included.
// (proc_pid_root(5))
func (n *node) file(path string) string {
	text, err := n.proc.Read("root" + path)
	if err != nil {
		return err.Error()
	}
	return text
}

// count is how often what is in the list, in words.
func count(list []string, what string) string {
	times := 0
	for _, l := range list {
		if l == what {
			times++
		}
	}
	return fmt.Sprintf("%d times", times)
}
