// Package narrate is the only package in lessons/kit that prints. A step explains itself with a
// Narrator, and this package decides how the reader sees it: layout, color, claims only, or JSON.
//
// The JSON form is one object per line on standard output, and nothing else. It is stable: later
// versions can add kinds and fields, but none changes.
//
//	{"stage":"02-namespaces","step":"pid","kind":"proof","text":"…","ok":true,"data":{…}}
//
// kind is one of question, idea, before, do, evidence, proof, note, why, byhand, skip, clean and
// leak. A proof and a leak have ok (of a leak, true means sealed). data depends on the kind:
//
//	before, evidence  rows: the measurements
//	do                go, sys, hand, man, at (file and line); calls: each system call and its purpose
//	proof             rows, and of the first row with a control: label, got, control_label, control;
//	                  or error and explained, if the step failed
//	byhand            docker, if Docker has a command for it
//	skip              whole: whether nothing of the step can run; the text is the reason
//	leak              probe, saw, promised; reason: what would seal a leak
//
// A row has label and value, and can have control_label and control, or a note.
package narrate

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"

	"containerkit/lessons/kit/errno"
)

// A Kind is the kind of an event.
type Kind string

// The kinds of events, in the order in which a step usually has them.
const (
	Question Kind = "question" // the question that a Docker user would ask
	Idea     Kind = "idea"     // the explanation that the reader needs to predict the outcome
	Before   Kind = "before"   // the control: a measurement without the feature
	Do       Kind = "do"       // the step's action, with its system calls
	Evidence Kind = "evidence" // measurements, except those that prove a claim
	Proof    Kind = "proof"    // a claim, and whether it holds
	Note     Kind = "note"     // one line of explanation
	Why      Kind = "why"      // why it matters
	ByHand   Kind = "byhand"   // commands to try
	Skip     Kind = "skip"
	Clean    Kind = "clean"
	Leak     Kind = "leak" // one line of the leak table
)

// Data has the named values of an event.
type Data map[string]any

// An Event is one part of the narration. The package comment documents its JSON form.
type Event struct {
	Stage string `json:"stage"`
	Step  string `json:"step"`
	Kind  Kind   `json:"kind"`
	Text  string `json:"text"`
	OK    *bool  `json:"ok,omitempty"`
	Data  Data   `json:"data,omitempty"`
}

// A Row is one fact: a line of evidence.
type Row struct {
	// Label is a noun, or the file or system call of the value, so that the reader can check it:
	// "zombies", "/proc/PID/uid_map".
	Label string `json:"label"`
	Value any    `json:"value"`
	// Control names where or when Was was measured: "host", "before", "without an init". It is
	// empty if there is nothing to compare.
	Control string `json:"control_label,omitempty"`
	Was     any    `json:"control,omitempty"`
	// Note explains the value: "128 + 15 (SIGTERM)".
	Note string `json:"note,omitempty"`
}

// Compare returns a row with a control.
func Compare(label string, value any, control string, was any) Row {
	return Row{Label: label, Value: value, Control: control, Was: was}
}

// Show returns a row without a control. A note explains the value.
func Show(label string, value any, note ...string) Row {
	return Row{Label: label, Value: value, Note: strings.Join(note, " ")}
}

// equal reports whether the control has the same value.
func (r Row) equal() bool { return fmt.Sprint(r.Value) == fmt.Sprint(r.Was) }

// Options choose how the narration is printed.
type Options struct {
	JSON    bool // one event per line, for programs
	Quiet   bool // claims, skips and leaks only
	Verbose bool // also Go calls, sources, commands, details and cleanup
	Pause   bool // wait for Enter before each result, and at each screenful
	// Without leaves out the step's feature, so that its claims must fail.
	Without bool
	Out     io.Writer // Stdout if nil
	In      io.Reader // the input for Enter; os.Stdin if nil
}

// A Narrator prints one step of one stage.
type Narrator struct {
	Options
	stage, step string
	mu          *sync.Mutex
	failed      int
	proofs      int
	skipped     bool
	sources     []string // file:line of the calls shown
	pages       []string // the man pages to read
	screen      screen
}

// New returns the narrator of a step. An empty step means the stage itself.
func New(stage, step string, o Options) *Narrator {
	if o.Out == nil {
		o.Out = Stdout
	}
	if o.In == nil {
		o.In = os.Stdin
	}
	n := &Narrator{Options: o, stage: stage, step: step, mu: new(sync.Mutex)}
	n.screen = newScreen(n)
	return n
}

// Failed returns the number of claims that did not hold.
func (n *Narrator) Failed() int { return n.failed }

// Proofs returns the number of claims measured.
func (n *Narrator) Proofs() int { return n.proofs }

// Skipped reports whether the step said that it cannot run here.
func (n *Narrator) Skipped() bool { return n.skipped }

// Question asks the step's question, as a Docker user would ask it.
func (n *Narrator) Question(text string) { n.emit(Event{Kind: Question, Text: text}) }

// Idea gives the explanation that the reader needs to predict the outcome, in at most three lines.
func (n *Narrator) Idea(text string) { n.emit(Event{Kind: Idea, Text: text}) }

// Control shows measurements without the feature.
func (n *Narrator) Control(text string, rows ...Row) {
	n.emit(Event{Kind: Before, Text: text, Data: with(rows)})
}

// A Call describes the next action of a step: in words, as system calls, in Go, and as a command.
type Call struct {
	Text string      // an imperative sentence
	Sys  [][2]string // the system calls, or the files written, each with its purpose
	Go   string      // the Go call in the code: cgroup.Set("pids.max", "20")
	Hand string      // the equivalent command: "echo 20 > pids.max"
	Man  string      // man pages with their sections: "cgroups(7), clone(2)"
	At   any         // the function that makes the call; the narration shows its file and line
	// Without says what happens instead if the feature is left out. If it is empty, the step makes
	// the call anyway.
	Without string
	// Danger warns of what the action does to the machine. With Pause, the step waits until the
	// reader presses Enter.
	Danger string
}

// Do shows the next action. Call it right before the action.
func (n *Narrator) Do(c Call) {
	if n.Without && c.Without != "" {
		n.emit(Event{Kind: Do, Text: c.Without + " (-without)", Data: Data{"man": c.Man}})
		return
	}
	d := Data{}
	var names []string
	for _, s := range c.Sys {
		names = append(names, s[0])
	}
	fields := map[string]string{"go": c.Go, "sys": strings.Join(names, ", "), "man": c.Man,
		"hand": c.Hand, "at": source(c.At), "danger": c.Danger}
	for k, v := range fields {
		if v != "" {
			d[k] = v
		}
	}
	if len(c.Sys) > 0 {
		d["calls"] = c.Sys
	}
	n.sources = appendNew(n.sources, fields["at"])
	for page := range strings.SplitSeq(c.Man, ", ") {
		n.pages = appendNew(n.pages, page)
	}
	n.emit(Event{Kind: Do, Text: c.Text, Data: d})
}

// appendNew appends a string unless it is empty or already in the list.
func appendNew(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// Evidence shows measurements below the action. Those that prove a claim belong to the claim: see
// Proof.
func (n *Narrator) Evidence(rows ...Row) {
	n.emit(Event{Kind: Evidence, Data: with(rows)})
}

func with(rows []Row) Data {
	if len(rows) == 0 {
		return nil
	}
	return Data{"rows": rows}
}

// Detail is Evidence that only -v and -json show.
func (n *Narrator) Detail(rows ...Row) {
	if n.Verbose || n.JSON {
		n.Evidence(rows...)
	}
}

// Proof states a claim, and shows whether it holds, with the measurements. At least one row must
// have a control and differ from it: a claim fails if its control has the same value.
func (n *Narrator) Proof(claim string, ok bool, rows ...Row) {
	n.guess(claim)
	d := Data{"rows": rows}
	differs := false
	for _, r := range rows {
		if r.Control == "" {
			continue
		}
		if differs = differs || !r.equal(); d["label"] == nil || differs && d["got"] == d["control"] {
			d["label"], d["got"], d["control_label"], d["control"] = r.Label, r.Value, r.Control, r.Was
		}
	}
	ok = ok && differs
	n.proofs++
	if !ok {
		n.failed++
	}
	n.emit(Event{Kind: Proof, Text: claim, OK: &ok, Data: d})
}

// Fail reports an error that the step does not expect. It counts as a claim that does not hold.
func (n *Narrator) Fail(err error) {
	n.failed++
	ok := false
	d := Data{"error": err.Error()}
	if why := errno.Explain(err); why != "" {
		d["explained"] = why
	}
	n.emit(Event{Kind: Proof, Text: "The step runs to its end", OK: &ok, Data: d})
}

// Note explains a surprising result in one line below it.
func (n *Narrator) Note(format string, a ...any) {
	n.emit(Event{Kind: Note, Text: fmt.Sprintf(format, a...)})
}

// Why says why the step matters, with a flag of `docker run` or an incident that the reader knows.
func (n *Narrator) Why(text string) { n.emit(Event{Kind: Why, Text: text}) }

// ByHand shows commands that a learner can paste. The tests run them.
func (n *Narrator) ByHand(lines ...string) { n.WithDocker("", lines...) }

// WithDocker is ByHand with the command that does the same in Docker.
func (n *Narrator) WithDocker(docker string, lines ...string) {
	d := Data{}
	if docker != "" {
		d["docker"] = docker
	}
	n.emit(Event{Kind: ByHand, Text: strings.Join(lines, "\n"), Data: d})
}

// Skip says why the step, or a part of it, cannot run here. whole means that no part of it can run.
func (n *Narrator) Skip(reason string, whole bool) {
	n.skipped = n.skipped || whole
	n.emit(Event{Kind: Skip, Text: reason, Data: Data{"whole": whole}})
}

// Clean says what the cleanup removed.
func (n *Narrator) Clean(text string) { n.emit(Event{Kind: Clean, Text: text}) }

// Leak shows one line of the leak table: an attack, such as "kill a host process". sealed means
// that the attack failed.
func (n *Narrator) Leak(name, attack string, sealed bool, d Data) {
	if d == nil {
		d = Data{}
	}
	d["probe"] = name
	n.emit(Event{Kind: Leak, Text: attack, OK: &sealed, Data: d})
}

// source returns the file and line of a function in the repository:
// "01-cgroups/cgroup/limits.go:42".
func source(fn any) string {
	if fn == nil || reflect.TypeOf(fn).Kind() != reflect.Func {
		return ""
	}
	f := runtime.FuncForPC(reflect.ValueOf(fn).Pointer())
	if f == nil {
		return ""
	}
	file, line := f.FileLine(f.Entry())
	parts := strings.Split(file, "/")
	for i, p := range slices.Backward(parts) { // the checkout itself can be named lessons
		if p == "lessons" || len(p) > 3 && p[0] == '0' && p[2] == '-' {
			return fmt.Sprintf("%s:%d", strings.Join(parts[i:], "/"), line)
		}
	}
	return ""
}
