package exercise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"containerkit/lessons/author/verify"
	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/sandbox"
)

// Outcome is the result of a check.
type Outcome string

// The outcomes.
const (
	Solved    Outcome = "solved"
	Unsolved  Outcome = "unsolved"  // the learner has written nothing yet
	Failed    Outcome = "failed"    // a claim is false
	Broken    Outcome = "broken"    // it does not compile
	Unchecked Outcome = "unchecked" // this machine or user can't run the check
)

// A Result holds what a check found.
type Result struct {
	Exercise  Exercise
	Outcome   Outcome
	State     State      // of a failed check
	Diagnosis *Diagnosis // the recognized mistake, or nil
	Reason    string     // the compiler's errors; what ended the code; or what can't be checked here

	ended string // the sandbox's word for what ended the program; or early
}

// early means that the program exited with 0 before its first test. go test takes that for success.
const early = "early"

// Check runs the tests of an exercise in the containerkit at root, as `go test -tags mine` does.
func Check(ctx context.Context, root string, e Exercise) (Result, error) {
	return check(ctx, root, e, sandbox.Patience)
}

// check is Check with a limit on how long each test can run.
func check(ctx context.Context, root string, e Exercise, patience time.Duration) (Result, error) {
	r := Result{Exercise: e}
	unsolved, err := IsUnsolved(root, e)
	var bad *FileError
	switch {
	case errors.As(err, &bad):
		r.Outcome, r.Reason = Broken, err.Error()
		return r, nil
	case err != nil:
		return r, err
	}
	if unsolved {
		r.Outcome = Unsolved
		return r, nil
	}
	var out, errs bytes.Buffer
	runErr, err := runTests(ctx, root, e, patience, &out, &errs)
	if err != nil {
		return r, err
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	_, r.ended, _ = strings.Cut(out.String(), sandbox.Mark) // go test can attach it to any output
	r.ended, _, _ = strings.Cut(r.ended, `\n`)
	if text := out.String(); runErr == nil && !strings.Contains(text, `"Test":`) && !strings.Contains(text, "no tests to run") {
		r.ended = early
	}
	run, err := verify.Read(&out, nil)
	if err != nil {
		return r, fmt.Errorf("go test %s: %w\n%s", e.Package, err, errs.String())
	}
	if r, err = r.judge(run, errs.String(), runErr); r.Outcome == Broken {
		lines := unreadable(root)
		if !strings.Contains(r.Reason, filepath.Base(e.File)+":") && len(lines) == 0 {
			lines = append(lines, e.File+": other files call a function that is missing here, "+
				"or that has other types now")
		}
		r.Reason = strings.Join(append(lines, r.Reason), "\n")
	}
	return r, err
}

// runTests runs the tests of an exercise in a sandbox. It removes the temporary files of the tests
// and of the compiler. failed holds go test's exit status, but only the tests' output decides.
func runTests(ctx context.Context, root string, e Exercise, patience time.Duration, out, errs io.Writer) (failed, err error) {
	exec, err := sandbox.Exec(patience)
	if err != nil {
		return nil, err
	}
	dir, err := temporary()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Remove()) }()
	cmd := goTest(ctx, "-exec", exec, "-tags", "mine", "-count=1", "-timeout", "2m", "-json", "-run", e.Run, "./"+e.Package)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "TMPDIR="+dir.Path, "GOTMPDIR="+dir.Path)
	cmd.Stdout, cmd.Stderr = out, errs
	return cmd.Run(), nil
}

// judge derives the outcome from the tests.
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
		case failed == nil || failed.Name == "": // a test's output says more than its package's
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
	case failed == nil && r.ended == early:
		r.Outcome, r.Reason = Failed, r.Exercise.File+": "+endsProgram
	case failed == nil && compilerSays(errs) != "":
		r.Outcome, r.Reason = Broken, compilerSays(errs)
	case failed == nil:
		return r, fmt.Errorf("check of %s: go test -tags mine -run '%s' ./%s runs no test: %s %v", r.Exercise.ID(), r.Exercise.Run, r.Exercise.Package, errs, runErr)
	case failed.Name == "" && modulesMissing.MatchString(failed.Output+errs):
		r.Outcome, r.Reason = Unchecked, "the Go modules that it imports are not on this machine, and "+
			"downloading them failed; run this once with a network: go mod download"
	case failed.Name == "" && compilerSays(failed.Output+errs) != "":
		r.Outcome, r.Reason = Broken, compilerSays(failed.Output+errs)
	default:
		r.Outcome = Failed
		r.State = stateOf(failed.Output)
		if strings.Contains(failed.Output, "exercise "+r.Exercise.ID()+" is not solved yet") {
			r.Outcome = Unsolved
			break
		}
		if r.Reason = crash(r.Exercise.File, r.ended, r.State); r.Reason != "" {
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

// modulesMissing matches go's error for a module that it can neither find nor download: with
// GOPROXY=off, and with an unreachable proxy. The line begins like a compiler error.
var modulesMissing = regexp.MustCompile(`\.go:\d+:\d+: (module lookup disabled by |\S+@v\S+: (Get|Post|git|read) )`)

// stateOf parses what package claim wrote.
func stateOf(output string) State {
	s := State{Output: output, Facts: map[string]string{}}
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		// A test's message begins with its file and line.
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

// compilerSays returns the compiler's errors in the output: lines of the form FILE:LINE:COLUMN,
// each with its indented lines. It returns "" if the code compiled. An import cycle has a line for
// each import.
func compilerSays(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		f := strings.SplitN(line, ":", 4)
		switch {
		case len(f) == 4 && strings.HasSuffix(f[0], ".go") || strings.HasPrefix(line, "package containerkit/"):
			lines = append(lines, strings.TrimSpace(line))
		case len(lines) > 0 && strings.HasPrefix(line, "\t"):
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// IsUnsolved reports whether the learner's file is still as shipped.
func IsUnsolved(root string, e Exercise) (bool, error) {
	mine, err := Read(root, e)
	if err != nil {
		return false, err
	}
	stub, err := Shipped(root, e)
	return bytes.Equal(mine, stub), err
}

// Shipped returns the learner's file as shipped.
func Shipped(root string, e Exercise) ([]byte, error) {
	reference, err := os.ReadFile(filepath.Join(root, e.Reference()))
	if err != nil {
		return nil, err
	}
	return Stub(e, reference)
}
