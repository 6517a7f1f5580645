// Package narrate is the only thing in the kit that prints. A step tells its story through a Narrator; how the story
// reaches the reader (colour, plain text, claims only, JSON) is decided here, once.
//
// The JSON form is one object a line on standard output and nothing else there. It is stable:
//
//	{"stage":"02-namespaces","step":"pid","kind":"proof","text":"…","ok":true,"data":{…}}
//
// kind is one of question, before, do, evidence, proof, byhand, skip, clean, note, leak. ok stands on proofs and leaks
// (for a leak, true means sealed); data holds what was measured; the text of a skip is its reason.
package narrate

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/fatih/color"

	"containerkit/lessons/kit/errno"
)

// Kind says what an event is.
type Kind string

// The kinds of events, in the order in which a step usually tells them.
const (
	Question Kind = "question"
	Before   Kind = "before"
	Do       Kind = "do"
	Evidence Kind = "evidence"
	Proof    Kind = "proof"
	ByHand   Kind = "byhand"
	Skip     Kind = "skip"
	Clean    Kind = "clean"
	Note     Kind = "note" // in passing: a misconception, which cgroup version this is, where to read on
	Leak     Kind = "leak" // one line of the leak table
)

// Data is what was measured, by name. Values must be what the kernel said, not what we hoped for.
type Data map[string]any

// Event is one line of the story; its JSON form is documented at the package.
type Event struct {
	Stage string `json:"stage"`
	Step  string `json:"step"`
	Kind  Kind   `json:"kind"`
	Text  string `json:"text"`
	OK    *bool  `json:"ok,omitempty"`
	Data  Data   `json:"data,omitempty"`
}

// Options choose how the story is told.
type Options struct {
	JSON  bool // one event a line, for programs
	Quiet bool // proofs, skips and leaks only
	Pause bool // wait for Enter before each answer
	// Without leaves the feature of the step out, so that its proof must fail: the control, for a learner to see.
	Without bool
	Out     io.Writer // Stdout if nil
	In      io.Reader // where Enter is read from; os.Stdin if nil
}

// A Narrator tells one step of one stage.
type Narrator struct {
	Options
	stage, step string
	mu          *sync.Mutex
	failed      int
	proofs      int
	skipped     bool
	sources     []string // file:line of the calls shown
}

// New returns the narrator of a step. An empty step is the stage itself.
func New(stage, step string, o Options) *Narrator {
	if o.Out == nil {
		o.Out = Stdout
	}
	if o.In == nil {
		o.In = os.Stdin
	}
	return &Narrator{Options: o, stage: stage, step: step, mu: new(sync.Mutex)}
}

// Failed is the number of claims that did not hold, Proofs that of all claims, Skipped whether the step was skipped.
func (n *Narrator) Failed() int { return n.failed }

// Proofs is the number of claims measured.
func (n *Narrator) Proofs() int { return n.proofs }

// Skipped tells whether the step said that it cannot run here.
func (n *Narrator) Skipped() bool { return n.skipped }

// Question asks what the step answers, in the learner's words.
func (n *Narrator) Question(text string) {
	n.emit(Event{Kind: Question, Text: text})
}

// Before tells the state before the call, or the attack that works without the feature. data may be nil.
func (n *Narrator) Before(text string, data Data) {
	n.emit(Event{Kind: Before, Text: text, Data: data})
}

// A Call is what a step is about to do, in every notation in which the reader may meet it.
type Call struct {
	Text string // what and why, one line
	Go   string // the Go call as it stands in the part: cgroup.Set("pids.max", "20")
	Sys  string // the system call or the file written: write("/sys/fs/cgroup/…/pids.max", "20")
	Man  string // man page with section: "cgroups(7)"
	Hand string // the equivalent command: "echo 20 > pids.max"
	At   any    // the function of the part in which the call stands; its file and line are shown
}

// Do tells what is about to be done. Call it right before doing it.
func (n *Narrator) Do(c Call) {
	d := Data{}
	for k, v := range map[string]string{"go": c.Go, "sys": c.Sys, "man": c.Man, "hand": c.Hand} {
		if v != "" {
			d[k] = v
		}
	}
	if at := source(c.At); at != "" {
		d["at"] = at
		n.sources = append(n.sources, at)
	}
	n.emit(Event{Kind: Do, Text: c.Text, Data: d})
}

// Evidence shows what the kernel says now: where it was read, and what it said.
func (n *Narrator) Evidence(where string, value any) {
	n.pause()
	n.emit(Event{Kind: Evidence, Text: where, Data: Data{"value": value}})
}

// Proof states a claim and whether it held. got is what was measured; control is the same measurement without the
// feature, which must come out differently: a proof whose control shows the same proves nothing, and does not hold.
// Where the feature itself is the control (the state before, the parent's list), say so in the text of the claim.
func (n *Narrator) Proof(claim string, ok bool, got, control any) {
	n.pause()
	if fmt.Sprint(got) == fmt.Sprint(control) {
		ok = false
	}
	n.proofs++
	if !ok {
		n.failed++
	}
	n.emit(Event{Kind: Proof, Text: claim, OK: &ok, Data: Data{"got": got, "control": control}})
}

// Fail tells that the step broke off: an error where none should be. It counts as a claim that did not hold.
func (n *Narrator) Fail(err error) {
	n.failed++
	ok := false
	text := err.Error()
	d := Data{"error": text}
	if why := errno.Explain(err); why != "" {
		d["explained"] = why
	}
	n.emit(Event{Kind: Proof, Text: "the step ran to its end", OK: &ok, Data: d})
}

// ByHand shows commands that a learner can paste; the tests run them.
func (n *Narrator) ByHand(lines ...string) {
	n.emit(Event{Kind: ByHand, Text: strings.Join(lines, "\n")})
}

// Note says something in passing.
func (n *Narrator) Note(format string, a ...any) {
	n.emit(Event{Kind: Note, Text: fmt.Sprintf(format, a...)})
}

// Skip says that the step, or a part of it, cannot run here, and why. whole is true if nothing of it could run.
func (n *Narrator) Skip(reason string, whole bool) {
	n.skipped = n.skipped || whole
	n.emit(Event{Kind: Skip, Text: reason, Data: Data{"whole": whole}})
}

// Clean tells what was removed.
func (n *Narrator) Clean(text string) { n.emit(Event{Kind: Clean, Text: text}) }

// Leak tells one line of the leak table.
func (n *Narrator) Leak(name, question string, sealed bool, d Data) {
	if d == nil {
		d = Data{}
	}
	d["probe"] = name
	n.emit(Event{Kind: Leak, Text: question, OK: &sealed, Data: d})
}

// End closes the step: where the calls stand.
func (n *Narrator) End() {
	if len(n.sources) == 0 || n.JSON || n.Quiet {
		return
	}
	seen := map[string]bool{}
	var list []string
	for _, s := range n.sources {
		if !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	fmt.Fprintf(n.Out, "  %s %s\n", dim("the calls stand in"), strings.Join(list, ", "))
}

// pause waits for the reader before an answer, if it was asked to and there is somebody to wait for.
func (n *Narrator) pause() {
	if !n.Pause || n.JSON {
		return
	}
	fmt.Fprint(n.Out, dim("  ⏎ "))
	// A byte at a time: a buffered reader would take what was typed for the next answers, too.
	for b := make([]byte, 1); b[0] != '\n'; {
		if _, err := io.ReadFull(n.In, b); err != nil {
			n.Pause = false // nobody is there any more
			return
		}
	}
}

var (
	bold  = color.New(color.Bold).SprintFunc()
	dim   = color.New(color.Faint).SprintFunc()
	green = color.New(color.FgGreen).SprintFunc()
	red   = color.New(color.FgRed, color.Bold).SprintFunc()
	cyan  = color.New(color.FgCyan).SprintFunc()
	amber = color.New(color.FgYellow).SprintFunc()
)

// Title prints a heading between steps; JSON and quiet readers do not need it.
func (n *Narrator) Title(text string) {
	if n.JSON || n.Quiet {
		return
	}
	fmt.Fprintf(n.Out, "\n%s\n", bold(text))
}

func (n *Narrator) emit(e Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e.Stage, e.Step = n.stage, n.step
	if n.JSON {
		enc := json.NewEncoder(n.Out)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(e)
		return
	}
	if n.Quiet && e.Kind != Proof && e.Kind != Skip && e.Kind != Leak {
		return
	}
	switch e.Kind {
	case Question:
		fmt.Fprintf(n.Out, "  %s %s\n", cyan("?"), e.Text)
	case Before:
		fmt.Fprintf(n.Out, "  %s %s%s\n", dim("before"), e.Text, values(e.Data))
	case Do:
		fmt.Fprintf(n.Out, "  %s %s\n", cyan("▶"), e.Text)
		for _, k := range []string{"go", "sys", "hand", "man"} {
			if v, ok := e.Data[k]; ok {
				fmt.Fprintf(n.Out, "      %s %v\n", dim(fmt.Sprintf("%-4s", k)), v)
			}
		}
	case Evidence:
		fmt.Fprintf(n.Out, "  %s %s: %s\n", dim("kernel"), e.Text, block(e.Data["value"]))
	case Proof:
		mark := green("✓")
		if !*e.OK {
			mark = red("✗")
		}
		fmt.Fprintf(n.Out, "  %s %s\n", mark, e.Text)
		if text, ok := e.Data["error"]; ok {
			fmt.Fprintf(n.Out, "      %v\n", text)
			if why, ok := e.Data["explained"]; ok {
				fmt.Fprintf(n.Out, "      %v\n", why)
			}
		} else {
			fmt.Fprintf(n.Out, "      %s\n", dim(fmt.Sprintf("measured %v; without it %v", e.Data["got"], e.Data["control"])))
		}
	case ByHand:
		fmt.Fprintf(n.Out, "  %s\n", dim("by hand"))
		for _, l := range strings.Split(e.Text, "\n") {
			fmt.Fprintf(n.Out, "      $ %s\n", l)
		}
	case Skip:
		fmt.Fprintf(n.Out, "  %s %s\n", amber("skipped"), e.Text)
	case Clean:
		fmt.Fprintf(n.Out, "  %s %s\n", dim("clean"), e.Text)
	case Note:
		fmt.Fprintf(n.Out, "  %s %s\n", dim("note"), e.Text)
	case Leak:
		mark := green("sealed")
		if !*e.OK {
			mark = amber("LEAKS ")
		}
		extra := ""
		if v, ok := e.Data["saw"]; ok && fmt.Sprint(v) != "" {
			extra = dim(fmt.Sprintf(" (%v)", v))
		}
		fmt.Fprintf(n.Out, "  %s %-12v %s%s\n", mark, e.Data["probe"], e.Text, extra)
	}
}

// values renders data after a sentence, in the order of their names.
func values(d Data) string {
	if len(d) == 0 {
		return ""
	}
	raw, err := json.Marshal(d) // a map is marshalled in the order of its keys
	if err != nil {
		return ""
	}
	return " " + dim(string(raw))
}

// block puts a value of several lines below its label.
func block(v any) string {
	s := strings.TrimRight(fmt.Sprint(v), "\n")
	if !strings.Contains(s, "\n") {
		return s
	}
	return "\n      " + strings.ReplaceAll(s, "\n", "\n      ")
}

// source is the place of a function, as a path inside the repository: "01-cgroups/cgroup/limits.go:42".
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
	for i, p := range slices.Backward(parts) { // the checkout itself may be called lessons
		if p == "lessons" || len(p) > 3 && p[0] == '0' && p[2] == '-' {
			return fmt.Sprintf("%s:%d", strings.Join(parts[i:], "/"), line)
		}
	}
	return ""
}
