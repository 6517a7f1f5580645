package exercise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"containerkit/lessons/author/verify"
	"containerkit/lessons/exercise/claim"
)

// Outcome is how a check ended.
type Outcome string

// The outcomes.
const (
	Solved    Outcome = "solved"
	Unsolved  Outcome = "unsolved"  // nothing is written yet
	Failed    Outcome = "failed"    // a claim does not hold
	Broken    Outcome = "broken"    // it does not compile
	Unchecked Outcome = "unchecked" // this machine or user cannot try it
)

// A Result is what a check found out.
type Result struct {
	Exercise  Exercise
	Outcome   Outcome
	State     State      // of a failed check
	Diagnosis *Diagnosis // the mistake that was recognised, or nil
	Reason    string     // the compiler's words; or why it, or a part of it, cannot be checked here
}

// Check runs the tests of an exercise in the kit whose directory is root, as `go test -tags mine` does.
func Check(ctx context.Context, root string, e Exercise) (Result, error) {
	r := Result{Exercise: e}
	unsolved, err := IsUnsolved(root, e)
	if err != nil {
		return r, err
	}
	if unsolved {
		r.Outcome = Unsolved
		return r, nil
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-tags", "mine", "-count=1", "-timeout", "2m", "-json", "-run", e.Run, "./"+e.Package)
	cmd.Dir = root
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	runErr := cmd.Run() // a failed test is an exit status too: what the tests say counts
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	run, err := verify.Read(&out, nil)
	if err != nil {
		return r, fmt.Errorf("go test %s: %w\n%s", e.Package, err, errs.String())
	}
	return r.judge(run, errs.String(), runErr)
}

// judge finds out what the tests mean.
func (r Result) judge(run *verify.Run, errs string, runErr error) (Result, error) {
	var failed, skipped *verify.Test
	passed := 0
	r.State.Facts = map[string]string{}
	for i := range run.Tests {
		t := &run.Tests[i]
		switch {
		case t.Name == "" && t.Result == "fail":
			if failed == nil {
				failed = t
			}
		case t.Name == "":
		case t.Result == "pass":
			passed++
		case t.Result == "skip":
			skipped = t
		case failed == nil || failed.Name == "": // what a test says is better than what its package does
			failed = t
		}
	}
	switch {
	case failed == nil && passed > 0:
		r.Outcome = Solved
		if skipped != nil {
			r.Reason = skipped.Reason()
		}
	case failed == nil && skipped != nil:
		r.Outcome, r.Reason = Unchecked, skipped.Reason()
	case failed == nil:
		return r, fmt.Errorf("check of %s: go test -tags mine -run '%s' ./%s runs no test: %s %v", r.Exercise.ID(), r.Exercise.Run, r.Exercise.Package, errs, runErr)
	case failed.Name == "" && modulesMissing.MatchString(failed.Output+errs):
		r.Outcome, r.Reason = Unchecked, "the Go modules that it imports are not on this machine, and cannot be "+
			"downloaded now: run this once with a network: go mod download"
	case failed.Name == "" && compilerSays(failed.Output+errs) != "":
		r.Outcome, r.Reason = Broken, compilerSays(failed.Output+errs)
	default:
		r.Outcome = Failed
		r.State = stateOf(failed.Output)
		if strings.Contains(failed.Output, "exercise "+r.Exercise.ID()+" is not solved yet") {
			r.Outcome = Unsolved
			break
		}
		for i := range r.Exercise.Diagnoses {
			if d := &r.Exercise.Diagnoses[i]; d.If(r.State) {
				r.Diagnosis = d
				break
			}
		}
	}
	return r, nil
}

// modulesMissing finds what go says of a module that it can neither find nor download: with
// GOPROXY=off, and with a proxy that it does not reach. The line begins like one of the compiler's.
var modulesMissing = regexp.MustCompile(`\.go:\d+:\d+: (module lookup disabled by |\S+@v\S+: (Get|Post|git|read) )`)

// stateOf reads what package claim wrote.
func stateOf(output string) State {
	s := State{Output: output, Facts: map[string]string{}}
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		// A test's message begins with its place.
		if i := strings.Index(line, claim.Fact); i >= 0 {
			if name, value, ok := strings.Cut(line[i+len(claim.Fact):], "="); ok {
				s.Facts[name] = value
			}
		}
		for _, part := range []struct {
			mark string
			to   *string
		}{{claim.Claim, &s.Claim}, {claim.Expected, &s.Expected}, {claim.Got, &s.Got}, {claim.From, &s.From}} {
			if text, ok := strings.CutPrefix(line, strings.TrimSpace(part.mark)); ok {
				*part.to = strings.TrimPrefix(*part.to+"\n"+strings.TrimSpace(text), "\n")
			}
		}
	}
	return s
}

// compilerSays picks the compiler's lines, FILE:LINE:COLUMN: and what is wrong, out of the output; none, and it compiled.
func compilerSays(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		if f := strings.SplitN(line, ":", 4); len(f) == 4 && strings.HasSuffix(f[0], ".go") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

// IsUnsolved tells whether the learner's file is still as it was shipped.
func IsUnsolved(root string, e Exercise) (bool, error) {
	mine, err := os.ReadFile(filepath.Join(root, e.File))
	if errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("%s is missing; go run ./lessons reset %s makes it anew", e.File, e.ID())
	}
	if err != nil {
		return false, err
	}
	stub, err := Shipped(root, e)
	return bytes.Equal(mine, stub), err
}

// Shipped is the learner's file as it is before anything is written.
func Shipped(root string, e Exercise) ([]byte, error) {
	reference, err := os.ReadFile(filepath.Join(root, e.Reference()))
	if err != nil {
		return nil, err
	}
	return Stub(e, reference)
}
