package narrate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/fatih/color"
)

var (
	bold  = color.New(color.Bold).SprintFunc()
	dim   = color.New(color.Faint).SprintFunc()
	green = color.New(color.FgGreen).SprintFunc()
	red   = color.New(color.FgRed, color.Bold).SprintFunc()
	cyan  = color.New(color.FgCyan).SprintFunc()
	amber = color.New(color.FgYellow).SprintFunc()
)

// A paint colors text.
type paint = func(...any) string

func unpainted(a ...any) string { return fmt.Sprint(a...) }

// Title prints a heading between steps, except with JSON and Quiet.
func (n *Narrator) Title(text string) {
	if n.JSON || n.Quiet {
		return
	}
	n.screen.line("")
	n.text("", "", bold, text)
}

// End closes the step: it prints where the code is, and which man pages to read.
func (n *Narrator) End() {
	if n.JSON || n.Quiet || len(n.sources)+len(n.pages) == 0 {
		return
	}
	sources := n.sources
	if !n.Verbose && len(sources) > 1 {
		sources = sources[:1]
	}
	n.screen.line("")
	n.footer("  Code  ", sources)
	n.footer("  Read  ", n.pages)
}

func (n *Narrator) footer(label string, list []string) {
	if len(list) > 0 {
		n.text(label, strings.Repeat(" ", length(label)), unpainted, strings.Join(list, ", "))
	}
}

func (n *Narrator) emit(e Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e.Stage, e.Step = n.stage, n.step
	switch {
	case n.JSON:
		enc := json.NewEncoder(n.Out)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(e)
	case n.Quiet && !slices.Contains([]Kind{Proof, Skip, Leak}, e.Kind):
	case e.Kind == Clean && !n.Verbose:
	default:
		n.separate(e.Kind)
		n.print(e)
	}
}

// separate prints an empty line between two parts of a step.
func (n *Narrator) separate(k Kind) {
	last := n.screen.last
	n.screen.last, n.screen.noteAt = k, rowIndent
	if k == Note && last == Leak { // the note belongs to the leaks above
		n.screen.last, n.screen.noteAt = Leak, attackAt
	}
	below := map[Kind][]Kind{ // the kinds that a kind follows without an empty line
		Proof:    {Proof, Note, ""},
		Note:     {Proof, Note, Evidence, Do, Before, Leak},
		Evidence: {Before, Do, Evidence},
		Leak:     {Leak, Skip},
		Skip:     {Skip, Leak},
		Clean:    {Clean},
	}
	if !n.Quiet && !slices.Contains(below[k], last) {
		n.screen.line("")
	}
}

// marks begin the text of an event.
var marks = map[Kind]string{Question: "?", Before: "○", Do: "▶", Skip: "–"}

func (n *Narrator) print(e Event) {
	switch e.Kind {
	case Question, Before, Do:
		n.marked(marks[e.Kind], cyan, e.Text)
		n.calls(e.Data)
		n.danger(e.Data)
	case Skip:
		n.marked(marks[Skip], amber, e.Text)
	case Proof:
		n.proof(e)
	case Idea:
		n.text("  ", "  ", unpainted, e.Text)
	case Note, Clean:
		indent := strings.Repeat(" ", n.screen.noteAt)
		n.text(indent, indent, dim, e.Text)
	case Why:
		n.text("  Why it matters: ", "      ", unpainted, e.Text)
	case ByHand:
		n.byHand(e)
	case Leak:
		n.leak(e)
	}
	if rows, ok := e.Data["rows"].([]Row); ok {
		n.rows(rows, e.OK != nil && !*e.OK)
	}
}

// marked prints a line that begins with a colored mark.
func (n *Narrator) marked(mark string, p paint, text string) {
	n.text("  "+mark+" ", "    ", unpainted, text, func(line string) string {
		return strings.Replace(line, mark, p(mark), 1)
	})
}

func (n *Narrator) proof(e Event) {
	if *e.OK {
		n.marked("✓", green, e.Text)
	} else {
		n.marked("✗", red, e.Text)
	}
	for _, k := range []string{"error", "explained"} {
		if text, ok := e.Data[k]; ok {
			n.text("      ", "        ", unpainted, fmt.Sprint(text))
		}
	}
}

// calls prints the system calls with their purposes, and with -v also the Go call and the command.
func (n *Narrator) calls(d Data) {
	calls, _ := d["calls"].([][2]string)
	width := 0
	for _, c := range calls {
		if l := length(c[0]); c[1] != "" && l <= callWidth {
			width = max(width, l)
		}
	}
	for _, c := range calls {
		n.columns(6, []int{width + 2}, c[0], c[1])
	}
	if !n.Verbose {
		return
	}
	for _, notation := range []string{"go", "hand"} {
		if v, ok := d[notation]; ok {
			n.columns(6, []int{6}, notation, fmt.Sprint(v))
		}
	}
}

// callWidth is the maximum length of a call that has its purpose beside it.
const callWidth = 44

func (n *Narrator) danger(d Data) {
	if text, ok := d["danger"]; ok && n.Pause {
		n.marked("!", red, fmt.Sprint(text))
		n.prompt()
	}
}

// byHand prints commands without wrapping, so that the reader can paste them.
func (n *Narrator) byHand(e Event) {
	title := "Try it"
	if docker, ok := e.Data["docker"]; ok {
		title += fmt.Sprintf(" (with Docker: %v)", docker)
	}
	n.text("  ", "    ", unpainted, title)
	for line := range strings.SplitSeq(e.Text, "\n") {
		n.screen.line("      " + line)
	}
}

// The columns of the leak table: the verdict, the attack, and what the attacker saw.
const (
	attackAt = 10
	sawAt    = 41
)

func (n *Narrator) leak(e Event) {
	word, p := "sealed", green
	if !*e.OK {
		word, p = "LEAKS ", amber
	}
	colored := func(line string) string { return strings.Replace(line, word, p(word), 1) }
	saw := ""
	if v, ok := e.Data["saw"]; ok {
		saw = fmt.Sprint(v)
	}
	first := "  " + word + "  "
	if length(e.Text) < sawAt-attackAt {
		first = fmt.Sprintf("%s%-*s", first, sawAt-attackAt, e.Text)
	} else { // too long: the third column is on the next line
		n.text(first, strings.Repeat(" ", attackAt), unpainted, e.Text, colored)
		first = strings.Repeat(" ", sawAt)
	}
	n.text(first, strings.Repeat(" ", sawAt), unpainted, saw, colored)
}
