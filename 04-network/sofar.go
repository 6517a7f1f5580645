//go:build linux

package main

import (
	"fmt"
	"os"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/box"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/03-rootfs/rootfs"
	"containerkit/04-network/network"
	"containerkit/04-network/network/internet"
	"containerkit/04-network/network/lo"
	"containerkit/04-network/network/names"
	"containerkit/lessons/kit/leak"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// hostname is the container's name.
const hostname = "container"

// container is the container of stage 03: its network is created from outside.
var container = box.New("sofar-04", func(files rootfs.Spec, _ []*os.File) error {
	if err := namespace.SetHostname(files.Hostname); err != nil {
		return err
	}
	return files.Enter()
})

// soFar runs a command in the container at stage 4: with limits, its own namespaces and root, and,
// new at this stage, its own network. Our namespace stands in for the host, and another one, at the
// far end of the uplink, for the internet.
func soFar(p stage.Payload) (status int, err error) {
	if err := lo.Up(); err != nil {
		return 0, err
	}
	out, err := startInternet()
	if err != nil {
		return 0, err
	}
	defer out.close()
	defer network.Default.Delete()
	place, err := network.Prepare(network.Default, hostname)
	if place.Addr.IsValid() && network.NoNftables(err) {
		if !p.Quiet {
			fmt.Fprintf(os.Stderr, "04-network: the container reaches only the host: %v\n", err)
		}
	} else if err != nil {
		return 0, err
	}
	stop, err := names.ServeAt(place, network.Name{Name: "internet", Addr: internet.Server.Addr()})
	if err != nil {
		return 0, err
	}
	defer stop()

	return container.Run(p, nil, func(init *procfs.Process) (rootfs.Spec, error) {
		// Its network namespace exists, and its first process waits.
		return rootfs.Spec{Hostname: hostname, Hosts: place.Hosts(), Resolv: place.Resolv()}, place.Connect(init)
	})
}

// leaks shows what the container's own network seals, and what it doesn't.
func leaks(n *narrate.Narrator) error {
	// The probes connect to the host's loopback, which is down in a new sandbox.
	if err := lo.Up(); err != nil {
		return err
	}
	_, err := cgroup.Find()
	return leak.Table(n, 4, !ordinaryUser(), err == nil, soFar)
}
