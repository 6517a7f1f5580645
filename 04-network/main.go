//go:build linux

// Command 04-network: whom a process can reach. Every step happens in a network namespace that plays the host; the
// containers, and the Internet, are more namespaces, held open by processes that do nothing else.
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

// sandbox makes the host in which the steps, and the container so far, are at home: a network without a single link of the
// real one, and mounts of its own for the files of the dns step. An ordinary user becomes root in it.
func sandbox(cmd *exec.Cmd) { namespace.AsNeeded(namespace.Net | namespace.Mount).Apply(cmd) }

// sweep removes what a killed run left. Links and rules are not among it: they ended with their namespaces.
func sweep() error {
	_, err := cgroup.Sweep()
	return err
}
