// Package book finds the chapters of the book and the lessons, in the order in which one reads them, and makes their text fit for a
// terminal: no comments, pictures by name, links into the kit as what one can type.
package book

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"containerkit/lessons/author/lint"
	"containerkit/lessons/kit/course"
)

// A Chapter is a page of the book, the lessons of a stage, or the lesson of one step.
type Chapter struct {
	Name  string // by which one asks for it: "errnos", "02-namespaces", "02-namespaces/pid"
	Title string
	File  string // below the kit's directory
	Step  string // "" is the whole page
}

// toc is the book's table of contents.
const toc = "docs/README.md"

var linked = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)

// Contents are the chapters in the order of reading: those to which the table of contents leads, in its order, and the stages'
// lessons, where it leads to them or else at the end.
func Contents(root string) (list []Chapter, err error) {
	raw, err := os.ReadFile(filepath.Join(root, toc))
	if err != nil {
		return nil, err
	}
	var files []string
	for _, m := range linked.FindAllStringSubmatch(string(raw), -1) {
		file := path.Join("docs", m[1])
		if info, err := os.Stat(filepath.Join(root, file)); err == nil && info.IsDir() {
			file = path.Join(file, "README.md")
		}
		files = append(files, file)
	}
	for _, s := range course.Stages {
		files = append(files, s.Dir+"/README.md")
	}
	seen := map[string]bool{toc: true}
	for _, file := range files {
		if seen[file] || path.Ext(file) != ".md" || strings.HasPrefix(file, "..") {
			continue
		}
		seen[file] = true
		raw, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			continue // a link to nowhere is for lint to tell
		}
		list = append(list, Chapter{Name: name(file), Title: title(string(raw)), File: file})
	}
	return list, nil
}

// name is the name of a page: its file's, or its directory's if it is the README there.
func name(file string) string {
	base := strings.TrimSuffix(path.Base(file), ".md")
	if dir := path.Base(path.Dir(file)); base == "README" && dir != "." {
		return dir
	}
	return base
}

// title is the first heading of a page.
func title(text string) string {
	for l := range strings.Lines(text) {
		if t, ok := strings.CutPrefix(l, "# "); ok {
			return strings.TrimSpace(t)
		}
	}
	return ""
}

// Find finds a chapter by its name, with or without the number before it; the lesson of a step by STAGE/STEP, or STEP where
// only one stage has it. An error names the nearest.
func Find(root, asked string) (Chapter, error) {
	chapters, err := Contents(root)
	if err != nil {
		return Chapter{}, err
	}
	asked = strings.TrimSuffix(strings.TrimPrefix(asked, "./"), "/")
	chapters = append(chapters, lessons()...)
	short := func(name string) string { return name[strings.LastIndex(name, "/")+1:] }
	unnumbered := func(name string) string { return strings.TrimLeft(name, "0123456789-") }
	for _, alike := range []func(c Chapter) bool{
		func(c Chapter) bool { return c.Name == asked || c.File == asked },
		func(c Chapter) bool { return c.Step == "" && unnumbered(c.Name) == asked },
		func(c Chapter) bool { return c.Step != "" && short(c.Name) == asked },
	} {
		var found []Chapter
		for _, c := range chapters {
			if alike(c) {
				found = append(found, c)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return Chapter{}, fmt.Errorf("%s may be %s or %s: name one", asked, found[0].Name, found[1].Name)
		}
	}
	near, distance := "", 0
	for _, c := range chapters {
		for _, n := range []string{c.Name, unnumbered(c.Name), short(c.Name)} {
			if d := levenshtein.ComputeDistance(asked, n); near == "" || d < distance {
				near, distance = c.Name, d
			}
		}
	}
	guess := ""
	if distance <= min(2, len(asked)/2) {
		guess = fmt.Sprintf("; did you mean %q?", near)
	}
	return Chapter{}, fmt.Errorf("no chapter %q%s (go run ./lessons read lists them)", asked, guess)
}

// lessons are the lessons of all steps.
func lessons() (list []Chapter) {
	for _, s := range course.Stages {
		for _, step := range s.Steps {
			list = append(list, Chapter{Name: s.Dir + "/" + step.Name, Title: step.Claim, File: s.Dir + "/README.md", Step: step.Name})
		}
	}
	return list
}

// Text is the chapter as it was written.
func (c Chapter) Text(root string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(root, c.File))
	if err != nil || c.Step == "" {
		return string(raw), err
	}
	_, section, found := strings.Cut(string(raw), "\n## "+c.Step+"\n")
	if !found {
		return "", fmt.Errorf("%s has no lesson of %s", c.File, c.Step)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return "# " + c.Name + "\n" + section, nil
}

// Commands are those of the kit that the chapter mentions.
func (c Chapter) Commands(root string) ([]string, error) {
	text, err := c.Text(root)
	return lint.Commands(text), err
}

// The pieces of a page that are not left as they are; code is named so that nothing in it is taken for one of them.
var pieces = regexp.MustCompile("(?ms)" + strings.Join([]string{
	"^```.*?^```[^\\n]*$", "^    [^\\n]*$", // code in blocks
	`^<!--.*?-->[ \t]*\n?`, `<!--.*?-->`, // comments
	`^</details>\n+`, `</?(?:details|summary)>`, // a folded answer
	"!?\\[(?:[^\\[\\]`]|`[^`]*`)*\\]\\([^)\\s]+\\)", // pictures and links
	"`[^`]*`", // code in a line
}, "|"))

var link = regexp.MustCompile(`(?s)^(!?)\[(.*)\]\(([^)\s]+)\)$`)

// Plain is the chapter for a reader who has no browser.
func (c Chapter) Plain(root string) (string, error) {
	text, err := c.Text(root)
	if err != nil {
		return "", err
	}
	chapters, err := Contents(root)
	if err != nil {
		return "", err
	}
	return pieces.ReplaceAllStringFunc(text, func(piece string) string {
		if strings.HasPrefix(piece, "<") {
			return ""
		}
		m := link.FindStringSubmatch(piece)
		if m == nil || strings.HasPrefix(piece, "`") || strings.HasPrefix(piece, " ") {
			return piece
		}
		label, to := m[2], m[3]
		target, anchor, _ := strings.Cut(to, "#")
		target = path.Join(path.Dir(c.File), target)
		switch {
		case m[1] == "!":
			return fmt.Sprintf("*Picture: %s* (%s)", label, target)
		case strings.Contains(to, "://"):
			return piece
		case strings.HasPrefix(to, "#"):
			return label
		}
		if info, err := os.Stat(filepath.Join(root, target)); err == nil && info.IsDir() {
			if i := slices.IndexFunc(chapters, func(c Chapter) bool { return c.File == target+"/README.md" }); i >= 0 {
				target += "/README.md"
			}
		}
		i := slices.IndexFunc(chapters, func(c Chapter) bool { return c.File == target })
		switch plain := strings.Trim(label, "`"); {
		case i >= 0 && plain == chapters[i].Name:
			return label
		case i >= 0 && anchor != "" && slices.ContainsFunc(lessons(), func(l Chapter) bool { return l.File == target && l.Step == anchor }):
			return label + " (read " + chapters[i].Name + "/" + anchor + ")"
		case i >= 0:
			return label + " (read " + chapters[i].Name + ")"
		case strings.HasSuffix(target, strings.TrimSuffix(plain, "/")) || strings.HasPrefix(anchor, "L") && strings.HasPrefix(plain, target):
			return label
		}
		return label + " (" + target + ")"
	}), nil
}

// A Block is code, which must not be broken into other lines, or text between code.
type Block struct {
	Code bool
	Text string
}

var item = regexp.MustCompile(`^\s*([-*]|\d+\.) `)

// Blocks takes a page apart: code between fences or indented by four blanks, and what is between it.
func Blocks(page string) (list []Block) {
	add := func(code bool, line string) {
		if n := len(list); n > 0 && list[n-1].Code == code && !(code && strings.HasPrefix(line, "```") && strings.HasSuffix(list[n-1].Text, "```\n")) {
			list[n-1].Text += line
			return
		}
		list = append(list, Block{code, line})
	}
	fenced, indented, blank, last := false, false, true, ""
	for line := range strings.Lines(page) {
		if !strings.HasSuffix(line, "\n") {
			line += "\n"
		}
		fence := strings.HasPrefix(line, "```")
		switch {
		case fence || fenced:
			add(true, line)
			if fence {
				fenced = !fenced
			}
			indented = false
		case strings.HasPrefix(line, "    ") && (indented || blank && !item.MatchString(last) && !strings.HasPrefix(last, " ")):
			add(true, line)
			indented = true
		default:
			add(false, line)
			indented = false
		}
		if blank = strings.TrimSpace(line) == ""; !blank && !indented {
			last = line
		}
	}
	return list
}
