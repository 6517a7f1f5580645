package lint

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
			s += strings.ReplaceAll(string(t.Segment.Value(source)), "\n", " ") // code keeps its line breaks
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
			if path.IsAbs(u.Path) || strings.HasPrefix(target, "..") {
				list = append(list, Problem{p.file, l.line, fmt.Sprintf("the link %s leads out of the kit: want a path from this file, within it", l.text)})
				continue
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
				if !hasLine(filepath.Join(k.Root, target), u.Fragment) {
					list = append(list, Problem{p.file, l.line, fmt.Sprintf("the link %s leads to no line of %s: want #L and a number", l.text, target)})
				}
				continue
			}
			_, headings, _ := pages[i].parse()
			if !slices.ContainsFunc(headings, func(h found) bool { return anchor(h.text) == u.Fragment }) {
				list = append(list, Problem{p.file, l.line, fmt.Sprintf("the link %s leads to no heading of %s", l.text, target)})
			}
		}
	}
	return list, nil
}

// hasLine reports whether a file of source has the line that a fragment names: L7.
func hasLine(name, fragment string) bool {
	raw, err := os.ReadFile(name)
	n, bad := strconv.Atoi(strings.TrimPrefix(fragment, "L"))
	return err == nil && bad == nil && n >= 1 && n <= strings.Count(string(raw), "\n")
}

// goFile is the name of a Go file; a name with capitals, NAME_mine.go, stands for any.
var goFile = regexp.MustCompile(`^[a-z0-9_./-]+\.go$`)

// files: a Go file that a text names is there: from where the text stands, from the top, or, by its last names, somewhere below the
// text's directory (below the top, for what docs/ tells).
func (k Kit) files(pages []page) (list []Problem, err error) {
	var all []string
	err = filepath.WalkDir(k.Root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path.Ext(name) == ".go" {
			rel, _ := filepath.Rel(k.Root, name)
			all = append(all, "/"+filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		below := "/" + path.Dir(p.file) + "/"
		if path.Dir(p.file) == "." || path.Dir(p.file) == "docs" {
			below = "/"
		}
		_, _, code := p.parse()
		for _, c := range code {
			if !goFile.MatchString(c.text) {
				continue
			}
			if !slices.ContainsFunc(all, func(name string) bool {
				return name == path.Join("/", c.text) || name == path.Join("/", path.Dir(p.file), c.text) ||
					strings.HasPrefix(name, below) && strings.HasSuffix(name, "/"+c.text)
			}) {
				list = append(list, Problem{p.file, c.line, fmt.Sprintf("there is no file %s", c.text)})
			}
		}
	}
	return list, nil
}
