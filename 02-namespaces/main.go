//go:build linux

// Stage 02: what a process can see. Each step is a file of its own; the calls stand in package namespace.
package main

import (
	group "containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/stage"
)

var program = stage.Program{
	Stage: course.Namespaces02,
	Steps: stage.Steps{
		"pid":    pid,
		"pid1":   pid1,
		"uts":    uts,
		"mnt":    mnt,
		"ipc":    ipc,
		"user":   user,
		"net":    network,
		"time":   clocks,
		"cgroup": cgroup,
		"join":   join,
		"all":    all,
	},
	Check: procfs.Check,
	Sweep: sweep,
	SoFar: soFar,
	Leaks: leaks,
}

func main() { program.Main() }

// sweep removes what a killed run left: cgroups. Namespaces end with their processes.
func sweep() error {
	_, err := group.Sweep()
	return err
}
