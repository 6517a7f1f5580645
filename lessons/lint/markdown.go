package lint

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// A found thing stands in a line of a page.
type found struct {
	line int
	text string
}

// parse reads a page: its links, its headings, and its code, in spans and blocks.
func (p page) parse() (links, headings, code []found) {
	source := []byte(strings.Join(p.lines, "\n"))
	lineOf := func(offset int) int { return strings.Count(string(source[:offset]), "\n") + 1 }
	at := 1 // the line of the last text: a link itself knows none
	_ = ast.Walk(goldmark.DefaultParser().Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if n.Type() == ast.TypeBlock && n.Lines().Len() > 0 {
			at = lineOf(n.Lines().At(0).Start)
		}
		switch n := n.(type) {
		case *ast.Heading:
			headings = append(headings, found{at, inline(n, source)})
		case *ast.Text:
			at = lineOf(n.Segment.Start)
		case *ast.Link:
			links = append(links, found{lineOfChild(n, lineOf, at), string(n.Destination)})
		case *ast.Image:
			links = append(links, found{lineOfChild(n, lineOf, at), string(n.Destination)})
		case *ast.AutoLink:
			links = append(links, found{at, string(n.URL(source))})
		case *ast.CodeSpan:
			code = append(code, found{lineOfChild(n, lineOf, at), inline(n, source)})
			return ast.WalkSkipChildren, nil
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			for i := range n.Lines().Len() {
				l := n.Lines().At(i)
				code = append(code, found{lineOf(l.Start), strings.TrimRight(string(l.Value(source)), "\n")})
			}
		}
		return ast.WalkContinue, nil
	})
	return links, headings, code
}

func lineOfChild(n ast.Node, lineOf func(int) int, otherwise int) int {
	if t, ok := n.FirstChild().(*ast.Text); ok {
		return lineOf(t.Segment.Start)
	}
	return otherwise
}

func inline(n ast.Node, source []byte) (s string) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			s += string(t.Segment.Value(source))
			if t.SoftLineBreak() {
				s += " "
			}
		} else {
			s += inline(c, source)
		}
	}
	return s
}

// anchor is the name by which GitHub links to a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, heading)
}

// links: a link into the kit leads to a file or directory that is there, and to a heading that it has. Of a link to the
// world only the form is checked.
func (k Kit) links(pages []page) (list []Problem, err error) {
	for _, p := range pages {
		links, _, _ := p.parse()
		for _, l := range links {
			u, err := url.Parse(l.text)
			if err != nil || u.Scheme != "" && (u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
				list = append(list, Problem{p.file, l.line, fmt.Sprintf("%q is no address: want https://…, or a path", l.text)})
				continue
			}
			if u.Scheme != "" {
				continue
			}
			target := p.file
			if u.Path != "" {
				target = path.Join(path.Dir(p.file), u.Path)
			}
			info, err := os.Stat(filepath.Join(k.Root, target))
			if err != nil {
				list = append(list, Problem{p.file, l.line, fmt.Sprintf("the link %s leads nowhere: there is no %s", l.text, target)})
				continue
			}
			if u.Fragment == "" || info.IsDir() {
				continue
			}
			i := slices.IndexFunc(pages, func(p page) bool { return p.file == target })
			if i < 0 {
				continue // lines of source: #L7
			}
			_, headings, _ := pages[i].parse()
			if !slices.ContainsFunc(headings, func(h found) bool { return anchor(h.text) == u.Fragment }) {
				list = append(list, Problem{p.file, l.line, fmt.Sprintf("the link %s leads to no heading of %s", l.text, target)})
			}
		}
	}
	return list, nil
}

// A command of the kit, as it stands in the text: go run, flags of go run, the program, and what it is given.
var goRun = regexp.MustCompile(`\bgo run ((?:-exec sudo |-tags mine )*)(\./[\w-]+)((?: [^;|&<>()` + "`" + `']+)?)`)

// commands: every command of the kit that the Markdown names exists, with its flags and names.
func (k Kit) commands(pages []page) (list []Problem, err error) {
	known := map[string]*Program{}
	ask := func(name string) (*Program, error) {
		if p, ok := known[name]; ok {
			return p, nil
		}
		p, err := k.Ask(name)
		known[name] = p
		return p, err
	}
	for _, p := range pages {
		_, _, code := p.parse()
		for _, c := range code {
			for _, m := range goRun.FindAllStringSubmatch(c.text, -1) {
				asked, _, _ := strings.Cut(m[3], "  ") // what stands in a column behind a command explains it
				program, args := m[2], strings.Fields(asked)
				if i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "#") }); i >= 0 {
					args = args[:i]
				}
				if program == "./NN-name" || program == "./0N-name" {
					continue // stands for any stage
				}
				if program == "./lessons" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
					program, args = program+" "+args[0], args[1:]
				}
				what, err := ask(program)
				if err != nil {
					return nil, err
				}
				if what == nil {
					list = append(list, Problem{p.file, c.line, fmt.Sprintf("%q: there is no such program or command", strings.TrimSpace(m[0]))})
					continue
				}
				for _, wrong := range what.refuses(args) {
					list = append(list, Problem{p.file, c.line, fmt.Sprintf("%q: %s does not know %s", strings.TrimSpace(m[0]), program, wrong)})
				}
			}
		}
	}
	return list, nil
}

// refuses lists the arguments that the program does not know. What follows "--" is another program's.
func (p *Program) refuses(args []string) (wrong []string) {
	value := false
	for _, a := range args {
		switch {
		case a == "--":
			return wrong
		case value:
			value = false
		case strings.HasPrefix(a, "-"):
			name, _, given := strings.Cut(strings.TrimLeft(a, "-"), "=")
			if !slices.Contains(p.Flags, name) && !slices.Contains(p.Flags, name+" ") && name != "h" {
				wrong = append(wrong, a)
			}
			// A flag that wants a value is listed with a space behind it.
			value = !given && slices.Contains(p.Flags, name+" ")
		case p.Args == nil || strings.ToUpper(a) == a || strings.ContainsAny(a, "…"):
			return wrong // anything may stand here, or the word stands for anything: STEP, DIR, 03-rootfs/…
		case !slices.Contains(p.Args, a):
			return append(wrong, a)
		}
	}
	return wrong
}
