// Package verify turns the output of `go test -json` into a verdict. Plain `go test` calls a package ok whose tests all
// skipped, so ok says nothing about what was tried. A profile says what a machine must be able to do; a feature that
// the profile promises and that no test has passed is a failure, whatever go test says.
//
// It judges tests that have run. It does not look at the machine: that is the doctor's.
package verify

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A Test is one test that ran, or a package that failed outside of its tests (it does not build, or something was left
// behind); then Name is empty.
type Test struct {
	Package, Name string
	Result        string // pass, fail or skip
	Output        string
}

// Reason is why a test was skipped: the last thing it said.
func (t Test) Reason() string {
	var said []string
	for line := range strings.Lines(t.Output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if m := place.FindStringIndex(line); m != nil {
			said = said[:0] // a message begins with its place and may go on for lines
			line = line[m[1]:]
		}
		said = append(said, line)
	}
	if len(said) == 0 {
		return "(no reason given)"
	}
	return strings.Join(said, " ")
}

var place = regexp.MustCompile(`^\w+\.go:\d+: `)

// A Run is all tests of one run of go test.
type Run struct{ Tests []Test }

// event is what test2json writes: see `go doc test2json`.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// Read reads the output of `go test -json`. Each package that is done is told to progress, which may be nil.
func Read(r io.Reader, progress func(line string)) (*Run, error) {
	type key struct{ pkg, test string }
	var (
		output  = map[key]string{}
		running = map[key]bool{}
		parents = map[key]bool{} // what they say is said by their subtests
		blamed  = map[key]bool{} // failed, because a subtest did: the subtest says why
		run     = &Run{}
	)
	ancestors := func(k key, f func(key)) {
		for i := strings.LastIndex(k.test, "/"); i > 0; i = strings.LastIndex(k.test[:i], "/") {
			f(key{k.pkg, k.test[:i]})
		}
		f(key{pkg: k.pkg}) // the package itself
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Action == "" {
			return nil, fmt.Errorf("this is not the output of go test -json: %q", lines.Text())
		}
		k := key{e.Package, e.Test}
		switch e.Action {
		case "run":
			running[k] = true
			// A test that runs now and is named as a part of this one is its parent. (The name alone does not tell: a/b
			// may also be a brother of a.)
			ancestors(k, func(a key) { parents[a] = parents[a] || running[a] })
		case "output":
			output[k] += e.Output
			if e.Test == "" && strings.Contains(e.Output, "\t(cached)") {
				return nil, fmt.Errorf("the result of %s is an old one that go test had kept; run it with -count=1", e.Package)
			}
		case "build-output":
			output[key{pkg: e.ImportPath}] += e.Output
		case "pass", "fail", "skip":
			delete(running, k)
			if e.Action == "fail" && e.Test == "" {
				// All its tests have ended, but for those in which its program was killed or ran out of time.
				unended := slices.DeleteFunc(slices.Collect(maps.Keys(running)), func(r key) bool { return r.pkg != e.Package })
				slices.SortFunc(unended, func(a, b key) int { return strings.Compare(a.test, b.test) })
				for _, r := range unended {
					delete(running, r)
					blamed[k] = true
					run.Tests = append(run.Tests, Test{r.pkg, r.test, "fail", output[r] + "the test program ended in this test\n" + output[k]})
				}
			}
			t := Test{e.Package, e.Test, e.Action, output[k]}
			if e.Action == "fail" && !blamed[k] {
				ancestors(k, func(a key) { blamed[a] = true })
				if e.FailedBuild != "" {
					t.Output = output[key{pkg: e.FailedBuild}] + t.Output
				}
				run.Tests = append(run.Tests, t)
			} else if e.Action != "fail" && e.Test != "" && !parents[k] {
				run.Tests = append(run.Tests, t)
			}
			if e.Test == "" && progress != nil && e.Action != "skip" {
				word := map[string]string{"pass": "ok", "fail": "FAIL"}[e.Action]
				progress(fmt.Sprintf("%-4s %-40s %.1fs", word, e.Package, e.Elapsed))
			}
		}
	}
	return run, lines.Err()
}

// State is what became of a promise.
type State string

// The states. Only Broken fails the run.
const (
	Kept    State = "✓" // a test of it passed, and none failed
	Excused State = "–" // skipped, and the profile allows it
	Broken  State = "✗" // failed; or skipped or missing, though promised
)

// A Finding is a promise and what became of it.
type Finding struct {
	Promise
	State State
	Why   string
}

// fail breaks the promise. The first reason is the one to tell.
func (f *Finding) fail(why string) {
	if f.State != Broken {
		f.State, f.Why = Broken, why
	}
}

// A Verdict is the outcome of a run under a profile.
type Verdict struct {
	Profile                 Profile
	Findings                []Finding
	Besides                 []Test // skipped tests that belong to no promise
	Broke                   []Test // all that failed
	Passed, Failed, Skipped int
}

// Judge holds a run against what a profile promises. A skip of what is promised counts as failed.
func Judge(run *Run, p Profile) Verdict {
	if p.Whole {
		run = run.refuseSkips()
	}
	v := Verdict{Profile: p}
	shown := map[int]bool{} // tests that a finding speaks about
	for i, t := range run.Tests {
		switch t.Result {
		case "pass":
			v.Passed++
			shown[i] = true
		case "fail":
			v.Failed++
			v.Broke = append(v.Broke, t)
		case "skip":
			v.Skipped++
		}
	}
	for _, promise := range Promises(p) {
		f := Finding{Promise: promise, State: Kept}
		// The worst that happened to one of its tests is what happened to the promise.
		for _, name := range promise.Tests {
			of := map[string][]int{}
			for i, t := range run.Tests {
				if promise.matches(name, t) {
					of[t.Result] = append(of[t.Result], i)
					shown[i] = true
				}
			}
			switch passed, failed, skipped := of["pass"], of["fail"], of["skip"]; {
			case len(failed) > 0:
				f.fail(run.Tests[failed[0]].failure())
			case len(passed) > 0 && len(skipped) > 0 && f.State == Kept:
				f.Why = "but skipped: " + run.Tests[skipped[0]].Name + ": " + run.Tests[skipped[0]].Reason()
			case len(passed) > 0:
			case len(skipped) == 0:
				f.fail(fmt.Sprintf("no test proves it: %s in ./%s did not run", name, promise.Package))
				v.Failed++
			case promise.MaySkip:
				if f.State == Kept {
					f.State, f.Why = Excused, "skipped: "+run.Tests[skipped[0]].Reason()
				}
			default:
				f.fail(refused + run.Tests[skipped[0]].Reason())
				v.Failed += len(skipped)
				v.Skipped -= len(skipped)
			}
		}
		v.Findings = append(v.Findings, f)
	}
	for i, t := range run.Tests {
		if t.Result == "skip" && !shown[i] {
			v.Besides = append(v.Besides, t)
		}
	}
	return v
}

// refuseSkips makes a failure of every skip.
func (run *Run) refuseSkips() *Run {
	strict := &Run{Tests: slices.Clone(run.Tests)}
	for i, t := range strict.Tests {
		if t.Result == "skip" {
			strict.Tests[i].Result = "fail"
			strict.Tests[i].Output = refused + t.Reason()
		}
	}
	return strict
}

const refused = "skipped, but promised: "

// failure is what a promise's line says of its test that failed. What the test said stands at the end.
func (t Test) failure() string {
	if strings.HasPrefix(t.Output, refused) {
		return t.Output
	}
	return t.Name + " failed"
}

// OK reports whether all is as the profile promises.
func (v Verdict) OK() bool { return v.Failed == 0 }

// Write prints the verdict. What failed comes last, and then the sum: where a log is cut, its end is what remains.
func (v Verdict) Write(w io.Writer) {
	fmt.Fprintf(w, "profile %s promises %s\n", v.Profile.Name, v.Profile.Text)
	group := ""
	for _, f := range v.Findings {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(w, "\n%s\n", group)
		}
		fmt.Fprintf(w, "  %s %-12s %s\n", f.State, f.Feature, strings.TrimSpace(f.Why))
	}
	list(w, "skipped besides", v.Besides, func(t Test) { fmt.Fprintf(w, ": %s\n", t.Reason()) })
	list(w, "failed", v.Broke, func(t Test) {
		fmt.Fprintln(w)
		for line := range strings.Lines(strings.TrimRight(t.Output, "\n")) {
			fmt.Fprintf(w, "      %s\n", strings.TrimRight(line, "\n"))
		}
	})
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", v.Passed, v.Failed, v.Skipped)
}

// list prints tests under a title, if there are any.
func list(w io.Writer, title string, tests []Test, say func(Test)) {
	for i, t := range tests {
		if i == 0 {
			fmt.Fprintf(w, "\n%s\n", title)
		}
		fmt.Fprintf(w, "  %s %s", strings.TrimPrefix(t.Package, Module+"/"), t.Name)
		say(t)
	}
}
