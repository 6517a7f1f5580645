//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/narrate"
)

var (
	links = can("links", func([]string) (any, error) { return linkList() })
	bind  = can("bind", func(a []string) (any, error) {
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

// linkList is what `ip -brief link` shows: "lo down".
func linkList() (string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	var list []string
	for _, l := range all {
		state := "down"
		if l.Flags&net.FlagUp != 0 {
			state = "up"
		}
		list = append(list, l.Name+" "+state)
	}
	return strings.Join(list, ", "), nil
}

func network(n *narrate.Narrator) error {
	n.Question("What does a new network have in it?")
	outside, err := linkList()
	if err != nil {
		return err
	}
	// On loopback: nobody but this machine can reach it.
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	address := l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	neighbour, err := newAgent(namespace.Spec{})
	if err != nil {
		return err
	}
	defer neighbour.close()
	n.OldBefore("this process listens on a port", narrate.Data{"address": address, "links": outside})

	n.Do(narrate.Call{Text: "start a process in a network namespace of its own",
		Go: "namespace.Spec{New: namespace.Net}.Apply(cmd)", OldSys: "clone(CLONE_NEWNET)",
		Man: "network_namespaces(7)", Hand: "unshare --net ip link", At: namespace.Spec.Apply})
	spec := asNeeded(n, namespace.Net)
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
	var got, control string
	if err := inside.ask(&got, links); err != nil {
		return err
	}
	// Some kernels put a few unused tunnels (sit0, tunl0…) into each network; they are down as well.
	lo := strings.HasPrefix(got, "lo down") && !strings.Contains(got, " up")
	n.OldProof("a new network has a loopback that is down, and no way out", lo, got, outside)

	// On all addresses, because inside 127.0.0.1 does not exist before lo is up. Outside, that collides as well.
	everywhere := fmt.Sprintf("0.0.0.0:%d", port)
	if err := inside.ask(&got, bind, everywhere); err != nil {
		return err
	}
	if err := neighbour.ask(&control, bind, everywhere); err != nil {
		return err
	}
	n.OldProof(fmt.Sprintf("port %d is bound twice, once in each network", port), got == "bound", got, control)

	if err := inside.ask(&got, dial, address); err != nil {
		return err
	}
	if err := neighbour.ask(&control, dial, address); err != nil {
		return err
	}
	n.OldProof("our server cannot be reached from inside", got != "connected" && control == "connected", got, control)
	n.ByHand("unshare --user --map-root-user --net ip -brief link")
	n.Note("how to wire it is stage 04")
	return nil
}
