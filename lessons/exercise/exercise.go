// Package exercise is what a learner writes: the list of exercises, their unsolved files, and the check of each.
//
// An exercise is a twin of a small file that holds an essential call of a part: pivot.go (build tag !mine) is the
// reference, pivot_mine.go (build tag mine) the learner's. The file as shipped is made from the reference, by Stub, and a test
// compares them. The check is the part's own tests, under that tag.
package exercise

import (
	"path"
	"slices"
	"strings"
)

// An Exercise is one thing to write, of 2 to 15 lines.
type Exercise struct {
	Stage, Name string // "03-rootfs", "pivot"
	Step        string // the step of the stage that shows the call; "" if none does
	Title       string // one line: what works when it is solved
	File        string // the learner's file; the reference has the same name without _mine
	Task        string // what to write; it becomes the comment of the unsolved file
	Read        []string
	Package     string // the check: the tests of this directory…
	Run         string // …that match this pattern, as `go test -run` takes it
	Shows       string // a command that shows it at work
	Hints       []string
	Diagnoses   []Diagnosis
}

// A Diagnosis recognises a typical mistake by the state after a failed check.
type Diagnosis struct {
	Name string
	If   func(State) bool
	Say  string // what is wrong now, and where to look; never the solution
}

// State is what a failed check left behind.
type State struct {
	Claim, Expected, Got, From string
	Facts                      map[string]string // what the kernel said, see claim.State
	Output                     string            // everything that the test printed
}

// Says tells whether any of these words stand in what was got.
func (s State) Says(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s.Got, w) })
}

// ID is how an exercise is called: STAGE/NAME.
func (e Exercise) ID() string { return e.Stage + "/" + e.Name }

// Reference is the file with the solution.
func (e Exercise) Reference() string { return strings.TrimSuffix(e.File, "_mine.go") + ".go" }

// Dir is the directory of the two files.
func (e Exercise) Dir() string { return path.Dir(e.File) }

// All are the exercises in the order of the course: each needs at most those before it.
func All() []Exercise {
	return slices.Concat(stage01, stage02, stage03, stage04, stage05)
}
