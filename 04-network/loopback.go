//go:build linux

package main

import (
	"fmt"

	"containerkit/04-network/network"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/kit/narrate"
)

func loopback(n *narrate.Narrator) error {
	ask(n, "A new network namespace has a loopback interface. Can a program in it call itself at 127.0.0.1?")
	w := &world{}
	defer w.end()
	box, err := w.node("container")
	if err != nil {
		return err
	}
	// The host's own loopback is up, with a server on port 80, so that we see whose loopback is whose.
	stop, err := hostServes("127.0.0.1:80", "the host")
	if err != nil {
		return err
	}
	defer stop()
	if err := box.must("serve", "127.0.0.1:80", "the container"); err != nil {
		return err // to listen at an address, it need not be up
	}
	before, err := box.ask("dial", "127.0.0.1:80")
	if err != nil {
		return err
	}
	was, err := network.FindLink(box.proc, "lo")
	if err != nil {
		return err
	}
	n.OldBefore("the container calls its own server", narrate.Data{"link": was.String(), "call": before.String()})

	n.Do(narrate.Call{
		Text:   "switch the container's loopback on",
		Go:     "lo.Up()",
		OldSys: "ioctl(fd, SIOCSIFFLAGS, {lo, IFF_LOOPBACK|IFF_UP})",
		Man:    "netdevice(7), network_namespaces(7)",
		Hand:   "ip link set lo up",
		At:     lo.Up,
	})
	if !n.Without {
		if err := box.must("loopback"); err != nil {
			return err
		}
	}
	is, err := network.FindLink(box.proc, "lo")
	if err != nil {
		return err
	}
	n.OldEvidence("the container's links", lines(network.Links(box.proc)))
	after, err := box.ask("dial", "127.0.0.1:80")
	if err != nil {
		return err
	}
	host := here("dial", "127.0.0.1:80")

	n.OldProof("the container reaches its own server at 127.0.0.1", after.ok(), after, before)
	n.OldProof("the kernel gave lo its addresses when it was switched on, and nobody else had to",
		len(is.Addrs) > 0, fmt.Sprint(is.Addrs), fmt.Sprint(was.Addrs))
	n.OldProof("127.0.0.1 is another machine here than on the host (the control is the same call from the host)",
		after.Text == "the container sees 127.0.0.1" && host.Text == "the host sees 127.0.0.1", after, host)
	n.Note("Each network namespace has its own loopback. \"localhost\" in a container is the container: " +
		"a database on the host is not there.")
	n.ByHand(
		`box=yes unshare -rn sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`ip addr show lo`,
		`ip link set lo up`,
		`ip addr show lo`,
		`END`)
	n.Clean("the container's process is ended, and its network went with it")
	return nil
}
