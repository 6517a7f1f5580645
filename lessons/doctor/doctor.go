// Package doctor finds out what this machine can do, feature by feature, by trying: a namespace works if a process
// was born in one, an overlay if it was mounted. Reading a version or a configuration would only be a guess.
//
// Every attempt is made in a process of its own, in namespaces that die with it. It changes nothing on the host.
//
// The doctor tells what the kernel and its settings allow now. It says nothing about how well something isolates.
//
// Programs that use it must call child.Init first, as all that start children.
package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"containerkit/lessons/kit/course"
)

// An Outcome is what an attempt came to.
type Outcome int

// There are three, because "it failed" may mean the machine or the attempt.
const (
	Works       Outcome = iota // it was done
	Unsupported                // the kernel, a setting or a missing right refused it
	CannotTell                 // the attempt broke off for another reason
)

// String is the word for an outcome, in the report and in the JSON.
func (o Outcome) String() string { return [...]string{"works", "unsupported", "cannot tell"}[o] }

// MarshalJSON writes the word.
func (o Outcome) MarshalJSON() ([]byte, error) { return json.Marshal(o.String()) }

// A Result is what the doctor knows about one feature.
type Result struct {
	Feature course.Feature `json:"feature"`
	Outcome Outcome        `json:"outcome"`
	Why     string         `json:"why"`           // what was seen, or what refused it
	Fix     string         `json:"fix,omitempty"` // sentences or commands, one a line
}

// A Fact is something that the machine says of itself. Advice is there if it stands in the way of the course.
type Fact struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Advice string `json:"advice,omitempty"`
}

// A Lack is a step of the course that will not run here.
type Lack struct {
	Stage string   `json:"stage"`
	Step  string   `json:"step"`
	Needs []Result `json:"needs"` // what is missing
}

// A Report is all of it.
type Report struct {
	Facts    []Fact   `json:"facts"`
	Features []Result `json:"features"`
	WillSkip []Lack   `json:"will_skip"`
}

// Features is everything that steps ask for, in the order of the report.
var Features = []course.Feature{
	course.Cgroups, course.Pids, course.Memory, course.CPU, course.Cpuset, course.IO, course.Freezer, course.PSI,
	course.CPUs2,
	course.PIDNS, course.UTSNS, course.MountNS, course.IPCNS, course.UserNS, course.NetNS, course.TimeNS, course.CgroupNS,
	course.Overlay, course.Bridge, course.Nftables, course.Terminal,
}

var (
	known   = map[course.Feature]Result{}
	knownMu sync.Mutex
)

// Probe tries a feature, once: later calls return what the first one found.
func Probe(f course.Feature) Result {
	knownMu.Lock()
	defer knownMu.Unlock()
	if r, ok := known[f]; ok {
		return r
	}
	r := try(f)
	r.Feature = f
	known[f] = r
	return r
}

// Examine tries everything.
func Examine() Report {
	r := Report{Facts: facts(), WillSkip: []Lack{}}
	for _, f := range Features {
		r.Features = append(r.Features, Probe(f))
	}
	r.WillSkip = append(r.WillSkip, lacks(course.Stages, Probe)...)
	return r
}

// lacks lists the steps that need what probe does not find.
func lacks(stages []course.Stage, probe func(course.Feature) Result) (list []Lack) {
	for _, stage := range stages {
		for _, step := range stage.Steps {
			l := Lack{Stage: stage.Dir, Step: step.Name}
			for _, f := range step.Needs {
				if r := probe(f); r.Outcome != Works {
					l.Needs = append(l.Needs, r)
				}
			}
			if len(l.Needs) > 0 {
				list = append(list, l)
			}
		}
	}
	return list
}

// Write prints the report for a reader, in 80 columns.
func (r Report) Write(w io.Writer) {
	fmt.Fprintln(w, "this machine")
	for _, f := range r.Facts {
		fill(w, fmt.Sprintf("  %-22s ", f.Name), f.Value)
		advise(w, f.Advice)
	}
	fmt.Fprintln(w, "\nwhat it can do (each was tried)")
	told := ""
	for _, f := range r.Features {
		if f.Outcome != Works && f.Why == told {
			f.Why, f.Fix = "for the same reason", "" // without cgroups there are no controllers either
		} else {
			told = f.Why
		}
		mark := [...]string{Works: "✓", Unsupported: "✗", CannotTell: "?"}[f.Outcome]
		fill(w, fmt.Sprintf("  %s %-20s ", mark, title(f.Feature)), f.Why)
		advise(w, f.Fix)
	}
	fmt.Fprintln(w)
	if len(r.WillSkip) == 0 {
		fmt.Fprintln(w, "Every step of the course will run here.")
		return
	}
	fmt.Fprintln(w, "these steps will not run here")
	for _, l := range r.WillSkip {
		var needs []string
		for _, n := range l.Needs {
			word := "no "
			if n.Outcome == CannotTell {
				word = "cannot tell: "
			}
			needs = append(needs, word+title(n.Feature))
		}
		fill(w, fmt.Sprintf("  %-22s ", l.Stage+" "+l.Step), strings.Join(needs, ", "))
	}
}

// title says more than the key where the key is one of the short names of namespaces.
func title(f course.Feature) string {
	switch f {
	case course.UserNS, course.PIDNS, course.UTSNS, course.MountNS, course.IPCNS, course.NetNS, course.TimeNS, course.CgroupNS:
		return string(f) + " namespace"
	case course.Pids, course.Memory, course.CPU, course.Cpuset, course.IO:
		return string(f) + " controller"
	}
	return string(f)
}

const (
	width  = 80
	margin = 25
)

// fill prints text behind a label, and breaks its lines before the right edge.
func fill(w io.Writer, label, text string) {
	line, at := label, len([]rune(label))
	for _, word := range strings.Fields(text) {
		n := len([]rune(word))
		if at > margin && at+n > width {
			fmt.Fprintln(w, strings.TrimRight(line, " "))
			line, at = strings.Repeat(" ", margin), margin
		}
		line, at = line+word+" ", at+n+1
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

// advise prints what to do. A line that begins with "$ " is a command and is never broken, so that it can be pasted.
func advise(w io.Writer, advice string) {
	for line := range strings.Lines(advice) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "$ ") {
			fmt.Fprintf(w, "      %s\n", line)
		} else if line != "" {
			fill(w, strings.Repeat(" ", margin-3)+"→  ", line)
		}
	}
}
