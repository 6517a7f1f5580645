//go:build linux

// Stage 02: what a process can see. Each step has its own file. The system calls are in package
// namespace.
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

// sweep removes the cgroups that a killed run left. Its namespaces went with its processes.
func sweep() error {
	_, err := group.Sweep()
	return err
}
