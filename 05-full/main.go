//go:build linux

// Stage 05 puts the packages of all stages together into a container, and drops its privileges.
package main

import (
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/stage"
)

func main() {
	stage.Program{
		Stage: course.Full05,
		Steps: stage.Steps{
			"assemble": assemble,
			"init":     initProcess,
			"walls":    walls,
			"harmless": harmless,
			"terminal": terminal,
		},
		Check:          procfs.Check,
		Sandbox:        sandbox,
		SandboxCommand: options.bridged,
		SoFar:          soFar,
		Leaks:          leaks,
		Sweep:          sweep,
		Flags:          options.flags,
		Shell:          []string{"/bin/sh"},
	}.Main()
}
