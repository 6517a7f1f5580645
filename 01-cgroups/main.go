//go:build linux

// Stage 01 limits what a process can use. Each step is a file, and the calls are in package cgroup.
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

// sweep removes the cgroups that a killed run has left.
func sweep() error {
	_, err := cgroup.Sweep()
	return err
}
