package lint

import (
	"encoding/csv"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Source makes the text of a region of a page, which is a file below the kit's directory.
//
// A region is what stands between two comments of Markdown: <!-- from: SOURCE ARGUMENT… --> and <!-- end -->. It is never
// written by hand: lint tells when it is not what its source makes, and lint -fix writes it again. A source knows names and
// no line numbers, so that a page stays true when the code below it moves.
type Source func(root, page string, args []string) (string, error)

// sources are those that every kit has; Kit.Sources adds its own.
var sources = map[string]Source{"code": code, "line": line, "table": table}

var (
	// Between backticks a marker is but text.
	region = regexp.MustCompile("(?s)(^|[^`])<!-- from: ([^\n]*?) -->(.*?)<!-- end -->")
	opened = regexp.MustCompile("(^|[^`])<!-- from:")
	quoted = regexp.MustCompile(`"[^"]*"|\S+`)
)

// fill makes the regions of a page again. Each problem is a region that is wrong and cannot, or that differs.
func (k Kit) fill(p page) (filled string, list []Problem) {
	text := strings.Join(p.lines, "\n")
	at := 0
	for _, m := range region.FindAllStringSubmatchIndex(text, -1) {
		asked, is := text[m[4]:m[5]], text[m[6]:m[7]]
		filled += text[at:m[6]]
		at = m[6]
		wrong := func(format string, args ...any) {
			list = append(list, Problem{p.file, strings.Count(text[:m[4]], "\n") + 1, "region " + asked + ": " + fmt.Sprintf(format, args...)})
		}
		made, err := k.make(p.file, asked)
		block := strings.HasPrefix(is, "\n")
		switch first := m[3] == 0 || text[m[3]-1] == '\n'; {
		case err != nil:
			wrong("%v", err)
			continue
		case opened.MatchString(is):
			wrong("has no <!-- end --> of its own")
			continue
		case !block && strings.Contains(made, "\n"):
			wrong("makes several lines: begin them on a line of their own")
			continue
		case !block && first:
			wrong("a comment at the beginning of a line makes the line HTML: put a word before it")
			continue
		case block:
			made = "\n" + made + "\n"
		}
		if made != is {
			wrong("is not what its source makes it: go run ./lessons lint -fix")
		}
		filled, at = filled+made, m[7]
	}
	filled += text[at:]
	if rest := region.ReplaceAllString(text, "$1"); opened.MatchString(rest) {
		list = append(list, Problem{p.file, 0, "a region <!-- from: … --> has no <!-- end -->, or no space before its -->"})
	}
	return filled, list
}

// make asks the source that a marker names.
func (k Kit) make(page, asked string) (string, error) {
	args := quoted.FindAllString(asked, -1)
	if len(args) == 0 {
		return "", fmt.Errorf("names no source")
	}
	s, ok := sources[args[0]]
	if !ok {
		s, ok = k.Sources[args[0]]
	}
	if !ok {
		var names []string
		for _, of := range []map[string]Source{sources, k.Sources} {
			for name := range of {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return "", fmt.Errorf("there is no source %s; there are %s", args[0], strings.Join(names, ", "))
	}
	made, err := s(k.Root, page, args[1:])
	return strings.Trim(made, "\n"), err
}

// regions: each is what its source makes it.
func (k Kit) regions(pages []page) (list []Problem, err error) {
	for _, p := range pages {
		_, problems := k.fill(p)
		list = append(list, problems...)
	}
	return list, nil
}

// Fill writes the pages whose regions differ from their sources, and returns their names. Regions that cannot be made stay
// as they are; Check tells of them.
func (k Kit) Fill() (written []string, err error) {
	pages, err := k.pages()
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		filled, _ := k.fill(p)
		if filled == strings.Join(p.lines, "\n") {
			continue
		}
		if err := os.WriteFile(filepath.Join(k.Root, p.file), []byte(filled), 0o644); err != nil {
			return written, err
		}
		written = append(written, p.file)
	}
	return written, nil
}

// code is a declaration of a Go file with its comment, and a link to it: code FILE NAME. A method is TYPE.NAME.
func code(root, page string, args []string) (string, error) {
	if len(args) != 2 {
		return "", fmt.Errorf("want code FILE NAME")
	}
	d, err := find(root, args[0], args[1])
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("```go\n%s\n```\n\n%s", d.text, Link(page, args[0], d.line)), nil
}

// line is a link to a line of a file: line FILE NAME is where a Go file declares the name, and line FILE "TEXT" is the one
// line that has this text.
func line(root, page string, args []string) (string, error) {
	if len(args) != 2 {
		return "", fmt.Errorf(`want line FILE NAME, or line FILE "TEXT"`)
	}
	n, err := Line(root, args[0], args[1])
	return Link(page, args[0], n), err
}

// Line finds the line of a file where a Go name is declared, or, if what is in quotes, the only one that has this text.
func Line(root, file, what string) (int, error) {
	text, err := strconv.Unquote(what)
	if err != nil {
		d, err := find(root, file, what)
		return d.line, err
	}
	raw, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return 0, fmt.Errorf("there is no %s", file)
	}
	found := 0
	for i, l := range strings.Split(string(raw), "\n") {
		if !strings.Contains(l, text) {
			continue
		}
		if found > 0 {
			return 0, fmt.Errorf("%s has %q in lines %d and %d: name more of it", file, text, found, i+1)
		}
		found = i + 1
	}
	if found == 0 {
		return 0, fmt.Errorf("%s has no line with %q", file, text)
	}
	return found, nil
}

// Link is a link from a page to a line of a file, both below the kit's directory.
func Link(page, file string, line int) string {
	to, err := filepath.Rel(path.Dir(page), file)
	if err != nil {
		to = file
	}
	return fmt.Sprintf("[%s:%d](%s#L%d)", file, line, filepath.ToSlash(to), line)
}

// A declaration of a Go file.
type declaration struct {
	text string // with its comment
	line int    // where it is declared, below the comment
}

// find looks up a function, a method TYPE.NAME, a type, a constant or a variable.
func find(root, file, name string) (d declaration, err error) {
	raw, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return d, fmt.Errorf("there is no %s", file)
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, raw, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return d, err
	}
	cut := func(n ast.Node, doc *ast.CommentGroup, at token.Pos) declaration {
		from := n.Pos()
		if doc != nil {
			from = doc.Pos()
		}
		return declaration{string(raw[set.Position(from).Offset:set.Position(n.End()).Offset]), set.Position(at).Line}
	}
	for _, decl := range f.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if receiver(decl)+decl.Name.Name == name {
				return cut(decl, decl.Doc, decl.Pos()), nil
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				var doc *ast.CommentGroup
				var names []*ast.Ident
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					doc, names = spec.Doc, []*ast.Ident{spec.Name}
				case *ast.ValueSpec:
					doc, names = spec.Doc, spec.Names
				}
				if !slices.ContainsFunc(names, func(i *ast.Ident) bool { return i.Name == name }) {
					continue
				}
				if !decl.Lparen.IsValid() {
					return cut(decl, decl.Doc, decl.Pos()), nil
				}
				return cut(spec, doc, spec.Pos()), nil
			}
		}
	}
	return d, fmt.Errorf("%s declares no %s", file, name)
}

// receiver is "TYPE." of a method, and nothing of a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return ""
	}
	t := f.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if i, ok := t.(*ast.Ident); ok {
		return i.Name + "."
	}
	return ""
}

// table is a file of comma-separated values: table FILE [COLUMN…] [COLUMN=VALUE…]. Without columns it shows all; with a
// value, the rows that have it.
func table(root, _ string, args []string) (string, error) {
	if len(args) == 0 {
		return "", fmt.Errorf("want table FILE [COLUMN…] [COLUMN=VALUE…]")
	}
	f, err := os.Open(filepath.Join(root, args[0]))
	if err != nil {
		return "", fmt.Errorf("there is no %s", args[0])
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return "", fmt.Errorf("%s: %w", args[0], err)
	}
	if len(rows) == 0 {
		return "", fmt.Errorf("%s is empty: its first row must name the columns", args[0])
	}
	head, rows := rows[0], rows[1:]
	var shown []int
	for _, arg := range args[1:] {
		name, value, filter := strings.Cut(strings.Trim(arg, `"`), "=")
		i := slices.Index(head, name)
		if i < 0 {
			return "", fmt.Errorf("%s has no column %s; it has %s", args[0], name, strings.Join(head, ", "))
		}
		if filter {
			rows = slices.DeleteFunc(rows, func(r []string) bool { return r[i] != value })
		} else {
			shown = append(shown, i)
		}
	}
	if len(shown) == 0 {
		for i := range head {
			shown = append(shown, i)
		}
	}
	var b strings.Builder
	write := func(cells func(i int) string) {
		for _, i := range shown {
			b.WriteString("| " + strings.ReplaceAll(cells(i), "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	write(func(i int) string { return head[i] })
	write(func(int) string { return "---" })
	for _, row := range rows {
		write(func(i int) string { return row[i] })
	}
	return b.String(), nil
}
