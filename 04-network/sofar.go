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

// container is the container so far: as in stage 03, for its network is made from outside.
var container = box.New("sofar-04", func(files rootfs.Spec, _ []*os.File) error {
	if err := namespace.SetHostname(files.Hostname); err != nil {
		return err
	}
	return files.Enter()
})

// soFar runs a command in the container so far: with a budget, namespaces and a root of its own, and, new at this stage,
// a network. The namespace in which we are plays the host; another one, at the end of its uplink, the Internet.
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
			fmt.Fprintf(os.Stderr, "04-network: no way out of the host: %v\n", err)
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

// leaks tells what a network of its own seals, and that it seals nothing else.
func leaks(n *narrate.Narrator) error {
	// The probes' host answers on its loopback, which the sandbox has not switched on.
	if err := lo.Up(); err != nil {
		return err
	}
	_, err := cgroup.Find()
	return leak.Table(n, 4, !ordinaryUser(), err == nil, soFar)
}
