//go:build linux

package main

import (
	"containerkit/04-network/network"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/kit/narrate"
)

func loopback(n *narrate.Narrator) error {
	ask(n, "Is localhost in a container the same as localhost on the host?",
		"Every network namespace has its own loopback interface, lo. In a new namespace lo is "+
			"down and has no address.")
	w := &world{}
	defer w.end()
	web, err := w.node("web")
	if err != nil {
		return err
	}
	// The host's own lo is up, with a server on the same port: the answer shows whose lo it was.
	stop, err := hostServes("127.0.0.1:80", "host")
	if err != nil {
		return err
	}
	defer stop()
	if err := web.must("serve", "127.0.0.1:80", "web"); err != nil {
		return err // bind(2) succeeds while lo is down
	}
	before, was, err := callOwnServer(web)
	if err != nil {
		return err
	}
	n.Control("Before: the container web connects to its own server, and lo is down",
		narrate.Show("link in web", was.String()), show("TCP to 127.0.0.1:80", before))

	n.Do(narrate.Call{
		Text: "Bring up lo in web",
		Sys: [][2]string{
			{"ioctl(fd, SIOCSIFFLAGS, {lo, IFF_UP|…})", "sets IFF_UP, keeps the rest"}},
		Go: "lo.Up()", Man: "netdevice(7), network_namespaces(7)", Hand: "ip link set lo up",
		At: lo.Up, Without: "Leave lo down in web",
	})
	if !n.Without {
		if err := web.must("loopback"); err != nil {
			return err
		}
	}
	after, is, err := callOwnServer(web)
	if err != nil {
		return err
	}
	host := here("dial", "127.0.0.1:80")
	n.Detail(narrate.Show("links in web", lines(network.Links(web.proc))))
	n.Proof("The container reaches its own server at 127.0.0.1", after.ok(),
		compare("TCP to 127.0.0.1:80", after, "before", before))
	n.Proof("The kernel gives lo its addresses when lo comes up", len(is.Addrs) > 0,
		narrate.Compare("addresses of lo", join(is.Addrs, ", "), "before", join(was.Addrs, ", ")))
	n.Proof("The container's 127.0.0.1 is not the host's",
		after.Text == "web sees 127.0.0.1" && host.Text == "host sees 127.0.0.1",
		compare("TCP to 127.0.0.1:80", after, "host", host))
	n.Why("localhost:5432 in a container is not the database on your host. " +
		"Docker's name for the host is host.docker.internal.")
	n.WithDocker("docker run --rm --network none busybox ip addr show lo", loopbackByHand)
	n.Clean("the container's process has exited, and its network namespace is gone")
	return nil
}

const loopbackByHand = `box=yes unshare -rn sh -e <<'END'
[ "$box" ] || exit   # not on your machine
ip addr show lo
ip link set lo up
ip addr show lo
END`

// callOwnServer connects to the server at 127.0.0.1 from inside, and looks at lo.
func callOwnServer(m *node) (call report, loop network.Link, err error) {
	if call, err = m.ask("dial", "127.0.0.1:80"); err != nil {
		return call, loop, err
	}
	loop, err = network.FindLink(m.proc, "lo")
	return call, loop, err
}
