package exercise

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	referenceTag = "//go:build linux && !mine\n"
	mineTag      = "//go:build linux && mine\n"
	todoImport   = "containerkit/lessons/kit/todo"
)

// Stub generates the unsolved file of an exercise from the source of its reference: the same
// functions with the same comments, but without their bodies.
func Stub(e Exercise, reference []byte) ([]byte, error) {
	source := string(reference)
	if !strings.HasPrefix(source, referenceTag) {
		return nil, fmt.Errorf("%s must begin with %q", e.Reference(), strings.TrimSpace(referenceTag))
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, e.Reference(), reference, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	text := func(from, to token.Pos) string {
		return source[fset.Position(from).Offset:fset.Position(to).Offset]
	}
	var functions strings.Builder
	used := map[string]bool{}
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
			continue
		}
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			return nil, fmt.Errorf("%s: only functions can be an exercise; "+
				"move the rest to a file that both tags share", fset.Position(d.Pos()))
		}
		values, err := todoValues(e, f, text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fset.Position(f.Pos()), err)
		}
		ast.Inspect(f.Type, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if id, ok := s.X.(*ast.Ident); ok {
					used[id.Name] = true
				}
			}
			return true
		})
		functions.WriteString("\n")
		if f.Doc != nil {
			functions.WriteString(text(f.Doc.Pos(), f.Doc.End()) + "\n")
		}
		// A receiver's or parameter's package is imported too; the body is replaced.
		functions.WriteString(text(f.Type.Pos(), f.Body.Lbrace) + "{\n\treturn " + values + "\n}\n")
	}
	var imports, others []string
	for _, i := range file.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		name := path.Base(p)
		if i.Name != nil {
			name = i.Name.Name
		}
		if used[name] {
			imports = append(imports, text(i.Pos(), i.End()))
		} else {
			others = append(others, p)
		}
	}
	var b strings.Builder
	b.WriteString(mineTag + "\n")
	fmt.Fprintf(&b, "// Exercise %s: %s\n//\n%s", e.ID(), e.Title, comment(e.Task))
	if len(e.Read) > 0 {
		fmt.Fprintf(&b, "//\n// Read: %s\n", strings.Join(e.Read, ", "))
	}
	if len(others) > 0 {
		fmt.Fprintf(&b, "// The reference also imports: %s\n", strings.Join(others, ", "))
	}
	fmt.Fprintf(&b, "// Check: go run ./lessons check %s\n\n", e.ID())
	fmt.Fprintf(&b, "package %s\n\n", file.Name.Name)
	b.WriteString(importBlock(append(imports, strconv.Quote(todoImport))))
	b.WriteString(functions.String())
	out, err := format.Source([]byte(b.String()))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.File, err)
	}
	return out, nil
}

// importBlock returns an import block for quoted paths, with containerkit's own packages last.
func importBlock(quoted []string) string {
	slices.Sort(quoted)
	if len(quoted) == 1 {
		return "import " + quoted[0] + "\n"
	}
	var own, others string
	for _, q := range quoted {
		if strings.HasPrefix(q, `"containerkit/`) {
			own += "\t" + q + "\n"
		} else {
			others += "\t" + q + "\n"
		}
	}
	if others != "" {
		others += "\n"
	}
	return "import (\n" + others + own + ")\n"
}

// Solution returns the reference as the learner's file: only the build tag changes.
func Solution(reference []byte) []byte {
	return []byte(mineTag + strings.TrimPrefix(string(reference), referenceTag))
}

// comment puts // in front of each line.
func comment(text string) (out string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		out += strings.TrimRight("// "+strings.TrimRight(line, "\n"), " ") + "\n"
	}
	return out
}

// todoValues returns the results of an unsolved function: zero values, and last the error that says
// so.
func todoValues(e Exercise, f *ast.FuncDecl, text func(from, to token.Pos) string) (string, error) {
	results := f.Type.Results
	last := ast.Expr(nil)
	if results != nil && len(results.List) > 0 {
		last = results.List[len(results.List)-1].Type
	}
	if id, ok := last.(*ast.Ident); !ok || id.Name != "error" {
		return "", fmt.Errorf("%s does not return an error, "+
			"so it cannot report that it is not solved", f.Name.Name)
	}
	var values []string
	for _, field := range results.List {
		zero := zeroOf(field.Type, text)
		values = append(values, slices.Repeat([]string{zero}, max(1, len(field.Names)))...)
	}
	values[len(values)-1] = fmt.Sprintf("todo.Exercise(%q)", e.ID())
	return strings.Join(values, ", "), nil
}

func zeroOf(t ast.Expr, text func(from, to token.Pos) string) string {
	switch x := t.(type) {
	case *ast.StarExpr, *ast.MapType, *ast.FuncType, *ast.InterfaceType, *ast.ChanType:
		return "nil"
	case *ast.ArrayType:
		if x.Len == nil {
			return "nil"
		}
	case *ast.Ident:
		switch {
		case x.Name == "string":
			return `""`
		case x.Name == "bool":
			return "false"
		case x.Name == "error" || x.Name == "any":
			return "nil"
		case strings.HasPrefix(x.Name, "int"), strings.HasPrefix(x.Name, "uint"), strings.HasPrefix(x.Name, "float"), x.Name == "byte":
			return "0"
		}
	}
	return text(t.Pos(), t.End()) + "{}"
}
