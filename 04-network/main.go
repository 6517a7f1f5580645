//go:build linux

// Command 04-network shows what a process can reach on the network. Its steps run in a network
// namespace that stands in for the host. The containers and the internet are more namespaces, each
// kept by a process.
package main

import (
	"os/exec"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/stage"
)

func main() {
	stage.Program{
		Stage: course.Network04,
		Steps: stage.Steps{
			"loopback": loopback,
			"veth":     veth,
			"bridge":   bridge,
			"route":    route,
			"nat":      nat,
			"publish":  publish,
			"dns":      dns,
			"isolate":  isolate,
		},
		Check:          procfs.Check,
		Sandbox:        sandbox,
		SoFarSandboxed: true,
		SoFar:          soFar,
		Leaks:          leaks,
		Sweep:          sweep,
	}.Main()
}

// sandbox creates the simulated host for the steps and for the container at stage 4: a network
// namespace without the real host's links, and a mount namespace for the files of step dns. An
// ordinary user becomes root in it.
func sandbox(cmd *exec.Cmd) { namespace.AsNeeded(namespace.Net | namespace.Mount).Apply(cmd) }

// sweep cleans up after a killed run. Links and rules are gone with their namespaces.
func sweep() error {
	_, err := cgroup.Sweep()
	return err
}
