//go:build linux

// Stage 01: what a process may use. Each step is a file of its own; the calls stand in package cgroup.
package main

import (
	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/stage"
)

var program = stage.Program{
	Stage: course.Cgroups01,
	Steps: stage.Steps{
		"hierarchy": hierarchy,
		"pids":      pids,
		"memory":    memory,
		"cpu":       cpu,
		"cpuset":    cpuset,
		"io":        disk,
		"freeze":    freeze,
		"kill":      kill,
		"pressure":  pressure,
		"delegate":  delegate,
	},
	Check: procfs.Check,
	Sweep: sweep,
	SoFar: soFar,
	Leaks: leaks,
}

func main() { program.Main() }

// sweep removes what a killed run left.
func sweep() error {
	_, err := cgroup.Sweep()
	return err
}
