//go:build linux

package main

import (
	"errors"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/exercise/sandbox"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/scratch"
)

// initChildren runs what this process was started for: a function of the doctor's, or a test program.
func initChildren() {
	child.Init()
	sandbox.Init()
}

// checkProc reports, as an error, that /proc is not this process's own.
func checkProc() error { return procfs.Check() }

// sweep removes what has no owner any more.
func sweep() (removed []string, err error) {
	groups, err1 := cgroup.SweepAll()
	dirs, err2 := scratch.Sweep()
	return append(groups, dirs...), errors.Join(err1, err2)
}
