//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/narrate"
)

var (
	findLinks = can("links", func([]string) (any, error) { return linkList() })
	bind      = can("bind", func(a []string) (any, error) {
		l, err := net.Listen("tcp4", a[0])
		if errors.Is(err, unix.EADDRINUSE) {
			return "address already in use", nil
		}
		if err != nil {
			return nil, err
		}
		defer l.Close()
		return "bound", nil
	})
	dial = can("dial", func(a []string) (any, error) {
		c, err := net.DialTimeout("tcp4", a[0], 2*time.Second)
		if err != nil {
			var errno unix.Errno
			if errors.As(err, &errno) {
				return errno.Error(), nil
			}
			return nil, err
		}
		defer c.Close()
		return "connected", nil
	})
)

// links are the names of the links in a network namespace.
type links struct{ All, Up []string }

func linkList() (l links, err error) {
	all, err := net.Interfaces()
	for _, link := range all {
		l.All = append(l.All, link.Name)
		if link.Flags&net.FlagUp != 0 {
			l.Up = append(l.Up, link.Name)
		}
	}
	return l, err
}

// some joins names, of many only the first ones.
func some(names []string) string {
	const most = 5
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s, … (%d)", strings.Join(names[:most], ", "), len(names))
	}
	return strings.Join(names, ", ")
}

func network(n *narrate.Narrator) error {
	n.Question("What can a container with docker run --network none reach?")
	n.Idea("A network namespace has its own links, addresses, routes, ports and firewall rules. " +
		"The only useful link in a new one is loopback (lo).")
	l, err := net.Listen("tcp4", "127.0.0.1:0") // only this machine can reach it
	if err != nil {
		return err
	}
	defer l.Close()
	host, err := newAgent(namespace.Spec{})
	if err != nil {
		return err
	}
	defer host.close()
	control, err := reachOf(host, l.Addr().(*net.TCPAddr))
	if err != nil {
		return err
	}
	n.Control("On the host, next to a server on 127.0.0.1",
		narrate.Show("links", some(control.links.All)),
		narrate.Show("links that are up", some(control.links.Up)))

	spec := namespace.AsNeeded(namespace.Net)
	n.Do(narrate.Call{
		Text: "Start a process in a new network namespace, and look for the server",
		Sys: userFirst(spec, namespace.Net, [2]string{"clone(CLONE_NEWNET)", ""},
			[2]string{"bind(…)", "to the server's port"},
			[2]string{"connect(…)", "to the server"}),
		Go:  "namespace.Spec{New: namespace.Net}.Apply(cmd)",
		Man: "network_namespaces(7)", Hand: "unshare --net ip link", At: namespace.Spec.Apply,
		Without: "Start a process in the host's network namespace",
	})
	if n.Without {
		spec = namespace.Spec{}
	}
	inside, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer inside.close()
	if err := differ(n, "net", os.Getpid(), inside.PID); err != nil {
		return err
	}
	got, err := reachOf(inside, l.Addr().(*net.TCPAddr))
	if err != nil {
		return err
	}
	proveReach(n, got, control)
	n.Why("docker run --network none leaves a container like this; the default adds a veth pair " +
		"and a bridge (stage 04).")
	n.WithDocker("docker run --rm --network none alpine ip link",
		"unshare --user --map-root-user --net ip -brief link")
	return nil
}

// reach is what a process has of a network, and which answers it gets to bind(2) and connect(2).
type reach struct {
	links         links
	bind, connect string
}

// reachOf lets a process bind to the port of a server, and connect to it.
func reachOf(a *agent, server *net.TCPAddr) (r reach, err error) {
	if err := a.ask(&r.links, findLinks); err != nil {
		return r, err
	}
	// All addresses, because there is no 127.0.0.1 while lo is down. On the host, they collide, too.
	if err := a.ask(&r.bind, bind, fmt.Sprintf("0.0.0.0:%d", server.Port)); err != nil {
		return r, err
	}
	err = a.ask(&r.connect, dial, server.String())
	return r, err
}

func proveReach(n *narrate.Narrator, got, control reach) {
	// Some kernels put unused tunnels (sit0, tunl0…) into each network namespace. They are down, too.
	down := slices.Contains(got.links.All, "lo") && len(got.links.Up) == 0
	n.Proof("In a new network namespace even lo is down", down,
		narrate.Compare("links", some(got.links.All), "host", some(control.links.All)),
		narrate.Compare("links that are up", some(got.links.Up), "host", some(control.links.Up)))
	n.Proof("Each network namespace has its own ports", got.bind == "bound",
		narrate.Compare("bind(2)", got.bind, "host", control.bind))
	n.Proof("The host's server is unreachable from inside",
		got.connect != "connected" && control.connect == "connected",
		narrate.Compare("connect(2)", got.connect, "host", control.connect))
}
