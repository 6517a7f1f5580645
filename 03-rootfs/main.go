//go:build linux

// Stage 03 shows which files a container has. Each step is in its own file; the system calls are in
// package rootfs.
package main

import (
	"errors"
	"os/exec"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/scratch"
	"containerkit/lessons/kit/stage"
)

var program = stage.Program{
	Stage: course.Rootfs03,
	Steps: stage.Steps{
		"tree":     tree,
		"chroot":   chroot,
		"escape":   escape,
		"pivot":    pivot,
		"proc":     proc,
		"overlay":  overlay,
		"volume":   volume,
		"readonly": readonly,
	},
	Check:   procfs.Check,
	Sandbox: sandbox,
	Sweep:   sweep,
	Flags:   flags,
	SoFar:   soFar,
	Leaks:   leaks,
}

func main() { program.Main() }

// sandbox prepares the process that the steps run in. Its mounts, network, message queues and
// hostname stand in for the host's. So a mistake, ours or that of a learner who changes the code,
// never reaches the machine.
func sandbox(cmd *exec.Cmd) {
	namespace.AsNeeded(namespace.Mount | namespace.UTS | namespace.IPC | namespace.Net).Apply(cmd)
}

// sweep removes what a killed run left. Mounts aren't part of that: the kernel removes them with
// their namespaces.
func sweep() error {
	_, err := cgroup.Sweep()
	return errors.Join(err, scratch.SweepIfAny())
}
