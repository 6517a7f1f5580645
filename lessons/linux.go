//go:build linux

package main

import (
	"errors"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/scratch"
)

// initChildren runs the function that this process was started for, if it is one of the doctor's.
func initChildren() { child.Init() }

// checkProc reports, as an error, that /proc is not this process's own.
func checkProc() error { return procfs.Check() }

// sweep removes what has no owner any more.
func sweep() (removed []string, err error) {
	groups, err1 := cgroup.SweepAll()
	dirs, err2 := scratch.Sweep()
	return append(groups, dirs...), errors.Join(err1, err2)
}
