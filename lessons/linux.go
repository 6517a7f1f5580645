//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/exercise/sandbox"
	"containerkit/lessons/first/checkpoint"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/scratch"
)

// initChildren runs what this process was started for: a function of the doctor, or a test program.
func initChildren() {
	child.Init()
	sandbox.Init()
}

// checkProc returns an error if /proc does not belong to this process's PID namespace.
func checkProc() error { return procfs.Check() }

// sweep removes leftovers whose owner has exited.
func sweep() (removed []string, err error) {
	groups, err1 := cgroup.SweepAll()
	dirs, err2 := scratch.Sweep()
	return append(groups, dirs...), errors.Join(err1, err2)
}

// first names the chapter "A container in 100 lines" among the exercises.
const first = "first"

var checkpointCount = len(checkpoint.All)

// checkpoints checks the reader's program of that chapter, if args ask for it: "first/2" stands for
// its first two checkpoints, and "first" for all of them.
func checkpoints(ctx context.Context, out io.Writer, root string, args []string) (asked bool, err error) {
	if len(args) != 1 || args[0] != first && !strings.HasPrefix(args[0], first+"/") {
		return false, nil
	}
	n := len(checkpoint.All)
	if number, ok := strings.CutPrefix(args[0], first+"/"); ok {
		if n, err = strconv.Atoi(number); err != nil || n < 1 || n > len(checkpoint.All) {
			return true, fmt.Errorf("no checkpoint %q; there are first/1 to first/%d", args[0], len(checkpoint.All))
		}
	}
	passed, err := checkpoint.Check(ctx, root, n)
	for i, c := range checkpoint.All[:passed] {
		fmt.Fprintf(out, "✓ first/%d  %s\n", i+1, c.Claim)
	}
	if err != nil {
		fmt.Fprintf(out, "✗ first/%d  %s\n", passed+1, checkpoint.All[passed].Claim)
		fill(out, "    ", err.Error())
		return true, errSaid
	}
	if n == len(checkpoint.All) {
		fmt.Fprintln(out, "You have built a container. Next: go run ./02-namespaces uts")
	} else {
		fmt.Fprintf(out, "next: go run ./lessons check first/%d\n", n+1)
	}
	return true, nil
}
