package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// What the pictures take from the code is read from its text: the packages themselves compile on Linux only, and the
// pictures are drawn anywhere.

// A kind of namespace, as 02-namespaces/namespace/set.go lists it.
type kind struct{ name, flag, divides string }

func kinds(kit string) ([]kind, error) {
	file, err := parse(kit, "02-namespaces/namespace/set.go", parser.ParseComments)
	if err != nil {
		return nil, err
	}
	consts := map[string]kind{} // PID: {"", CLONE_NEWPID, PIDs}
	var list []kind
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if len(n.Values) != 1 || n.Comment == nil {
				return true
			}
			if flag, ok := n.Values[0].(*ast.SelectorExpr); ok {
				divides, _, _ := strings.Cut(n.Comment.Text(), ": ")
				consts[n.Names[0].Name] = kind{flag: flag.Sel.Name, divides: divides}
			}
		case *ast.CompositeLit: // {"pid", PID}
			if len(n.Elts) != 2 {
				return true
			}
			name, ok := n.Elts[0].(*ast.BasicLit)
			of, ok2 := n.Elts[1].(*ast.Ident)
			if ok && ok2 {
				k := consts[of.Name]
				k.name, _ = strconv.Unquote(name.Value)
				list = append(list, k)
			}
		}
		return true
	})
	if len(list) != len(consts) || len(list) == 0 {
		return nil, fmt.Errorf("set.go: %d kinds in Types, and %d constants with a comment that says what they divide", len(list), len(consts))
	}
	return list, nil
}

// A part of the assembly and why it stands where it stands, as 05-full/container/order.go lists them.
type part struct{ name, why string }

func parts(kit string) ([]part, error) {
	const name = "05-full/container/order.go"
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, filepath.Join(kit, name), nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	why := map[int]string{} // by line
	for _, g := range file.Comments {
		why[fset.Position(g.Pos()).Line] = strings.TrimSpace(g.Text())
	}
	for _, g := range file.Comments { // each line of a group of comments at the ends of lines is on its own
		for _, c := range g.List {
			why[fset.Position(c.Pos()).Line] = strings.TrimSpace(strings.TrimPrefix(c.Text, "//"))
		}
	}
	var list []part
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		for _, e := range lit.Elts {
			if id, ok := e.(*ast.Ident); ok {
				list = append(list, part{id.Name, why[fset.Position(id.Pos()).Line]})
			}
		}
		return false
	})
	for _, p := range list {
		if p.why == "" {
			return nil, fmt.Errorf("%s: %s does not say why it stands there", name, p.name)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s lists no parts", name)
	}
	return list, nil
}

// A node is one of the kit's packages and which others it imports, by their directories. Tests do not count.
type node struct {
	dir     string
	imports []string
}

// packages are the stages' programs and whatever they are made of, each after those that it imports, and else in the
// order of their names.
func packages(kit string) ([]node, error) {
	uses := map[string][]string{}
	err := filepath.WalkDir(kit, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != kit && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "docs") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") || strings.HasSuffix(p, "_mine.go") {
			return nil
		}
		rel, err := filepath.Rel(kit, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		file, err := parse(kit, rel, parser.ImportsOnly)
		if err != nil {
			return err
		}
		of := path.Dir(rel)
		if _, ok := uses[of]; !ok {
			uses[of] = nil
		}
		for _, i := range file.Imports {
			to, _ := strconv.Unquote(i.Path.Value)
			to, ours := strings.CutPrefix(to, "containerkit/")
			if ours && !slices.Contains(uses[of], to) {
				uses[of] = append(uses[of], to)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var list []node
	done := map[string]bool{}
	var add func(dir string)
	add = func(dir string) {
		if done[dir] {
			return
		}
		done[dir] = true
		slices.Sort(uses[dir])
		for _, to := range uses[dir] {
			add(to)
		}
		list = append(list, node{dir, uses[dir]})
	}
	var dirs []string
	for dir := range uses {
		if dir[0] == '0' {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	for _, dir := range dirs {
		add(dir)
	}
	return list, nil
}

func parse(kit, name string, mode parser.Mode) (*ast.File, error) {
	return parser.ParseFile(token.NewFileSet(), filepath.Join(kit, filepath.FromSlash(name)), nil, mode)
}
