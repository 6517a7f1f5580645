// Package exercise lists the exercises, generates their unsolved files, and checks what a learner
// writes.
//
// An exercise is a second version of a small file that holds an essential call of a part: pivot.go
// (build tag !mine) is the reference, pivot_mine.go (build tag mine) the learner's. Stub generates
// the file as shipped from the reference, and a test compares them. The part's own tests, under
// that tag, check it.
package exercise

import (
	"path"
	"slices"
	"strings"
)

// An Exercise asks the learner for 2 to 15 lines of code.
type Exercise struct {
	Stage, Name string // "03-rootfs", "pivot"
	Step        string // the step of the stage that shows the call; "" if no step does
	Title       string // one line: what works when the exercise is solved
	File        string // the learner's file; the reference has the same name without _mine
	Task        string // what to write; also the comment of the unsolved file
	Read        []string
	Package     string // the check: the tests of this directory…
	Run         string // …that match this pattern, for `go test -run`
	Shows       string // a command that shows the solution at work
	Hints       []string
	Diagnoses   []Diagnosis
}

// A Diagnosis recognizes a typical mistake by the state after a failed check.
type Diagnosis struct {
	Name string
	If   func(State) bool
	Say  string // what is wrong now, and where to look; never the solution
}

// State holds the results of a failed check.
type State struct {
	Claim, Expected, Got, From string
	Facts                      map[string]string // what the kernel reports, see claim.State
	Output                     string            // all output of the test
}

// Says reports whether Got contains any of the words.
func (s State) Says(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s.Got, w) })
}

// ID returns the name of an exercise: STAGE/NAME.
func (e Exercise) ID() string { return e.Stage + "/" + e.Name }

// Reference returns the path of the solution.
func (e Exercise) Reference() string { return strings.TrimSuffix(e.File, "_mine.go") + ".go" }

// Dir returns the directory of the two files.
func (e Exercise) Dir() string { return path.Dir(e.File) }

// All returns the exercises in the order of the course: each needs at most those before it.
func All() []Exercise {
	return slices.Concat(stage01, stage02, stage03, stage04, stage05)
}
