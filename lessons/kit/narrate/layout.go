package narrate

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// fullWidth is the width of the narration in characters. On a narrower terminal it is less.
const fullWidth = 80

// The columns of a row: see rows.
const (
	rowIndent  = 6
	labelWidth = 20
	valueWidth = 16
	valueMost  = 24
)

// A screen is where the narration is printed.
type screen struct {
	n     *Narrator
	width int
	rows  int  // of the terminal; 0 if there is none
	shown int  // lines printed since the reader last pressed Enter
	last  Kind // of the event printed last
	// noteAt is the indent of a note: below the text that it explains.
	noteAt int
}

func newScreen(n *Narrator) screen {
	s := screen{n: n, width: fullWidth}
	f, ok := n.Out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	width, rows, err := term.GetSize(int(f.Fd()))
	if err == nil && width >= 40 {
		s.width = min(width, fullWidth)
	}
	s.rows = rows
	return s
}

// line prints a line. With Pause, no line scrolls off the screen before the reader presses Enter.
func (s *screen) line(text string) {
	if s.n.Pause && s.rows > 4 && s.shown >= s.rows-2 {
		fmt.Fprint(s.n.Out, dim("  more: Enter "))
		s.n.wait()
	}
	s.shown++
	fmt.Fprintln(s.n.Out, strings.TrimRight(text, " "))
}

// text prints a paragraph, wrapped. first begins its first line, and rest the others.
func (n *Narrator) text(first, rest string, p paint, text string, finish ...func(string) string) {
	for i, line := range wrap(text, n.screen.width-length(first), n.screen.width-length(rest)) {
		line = p(line)
		if i == 0 {
			line = first + line
			for _, f := range finish {
				line = f(line)
			}
		} else {
			line = rest + line
		}
		n.screen.line(line)
	}
}

// wrap breaks a text between words into lines of at most width characters. first is the width of
// the first line. Line breaks in the text stay. A word that is longer gets its own line.
func wrap(text string, first, width int) (lines []string) {
	for paragraph := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			room := width
			if len(lines) == 0 {
				room = first
			}
			if line != "" && length(line)+1+length(word) > room {
				lines, line = append(lines, line), ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return lines
}

func length(s string) int { return utf8.RuneCountInString(s) }

// rows prints evidence in three columns: label, value, and the comparison with the control.
func (n *Narrator) rows(rows []Row, failed bool) {
	value := valueWidth
	for _, r := range rows {
		if l := length(fmt.Sprint(r.Value)); l+2 <= valueMost {
			value = max(value, l+2)
		}
	}
	for _, r := range rows {
		n.columns(rowIndent, []int{labelWidth, value}, r.Label, fmt.Sprint(r.Value), r.comparison(failed))
	}
}

// comparison returns the third column.
func (r Row) comparison(failed bool) string {
	switch {
	case r.Control == "":
		return r.Note
	case failed && r.equal():
		return "same as the control"
	}
	return fmt.Sprintf("%s: %v", r.Control, r.Was)
}

// columns prints cells side by side, each except the last with its width from widths. After a cell
// that is too long, the next one begins on a new line. The last cell is wrapped.
func (n *Narrator) columns(indent int, widths []int, cells ...string) {
	line, at := strings.Repeat(" ", indent), indent
	flush := func() {
		n.screen.line(line)
		line = strings.Repeat(" ", at)
	}
	for i, cell := range cells {
		last := i == len(cells)-1
		for j, part := range wrap(cell, n.screen.width-at, n.screen.width-at) {
			if j > 0 || last && at+length(part) > n.screen.width {
				flush()
			}
			line += part
		}
		if last || strings.Join(cells[i+1:], "") == "" {
			break
		}
		at += widths[i]
		if length(line) >= at {
			flush()
		}
		line += strings.Repeat(" ", at-length(line))
	}
	n.screen.line(line)
}

// guess shows a claim as a question, and waits for Enter before the result.
func (n *Narrator) guess(claim string) {
	if !n.Pause || n.JSON || n.Quiet {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.screen.line("")
	n.marked("?", cyan, "True or false: "+claim)
	n.prompt()
	n.screen.last = Proof // the result follows without an empty line
}

// prompt asks for Enter and waits for it.
func (n *Narrator) prompt() {
	fmt.Fprint(n.Out, dim("    Enter "))
	n.wait()
}

// wait waits for Enter, unless the input has ended.
func (n *Narrator) wait() {
	n.screen.shown = 0
	// One byte at a time: a buffered reader would also take the input for the next results.
	for b := make([]byte, 1); b[0] != '\n'; {
		if _, err := io.ReadFull(n.In, b); err != nil {
			n.Pause = false // the input has ended
			return
		}
	}
}
