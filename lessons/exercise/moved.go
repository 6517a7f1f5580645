package exercise

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// moves lists what updates of the course have moved while learners had their own files in it.
type moves struct {
	files   map[string]string // exercise ID by the former path of its file
	imports map[string]string // package path by its former path
}

// moved is the history. Each move adds a line, and no line is ever removed, because a learner can
// update from any state. Exercise.File holds the present path of a file.
var moved = moves{
	files: map[string]string{
		"02-namespaces/namespace/reap_mine.go": "05-full/reaper",
	},
	imports: map[string]string{
		"containerkit/lessons/todo": "containerkit/lessons/kit/todo",
	},
}

// Migrate moves the learner's files in the containerkit at root to their present paths. It also
// adapts the package clause, and imports of packages that moved. It returns a line for each change.
// Migrate never loses what the learner wrote: if both paths have a file, the older one goes to the
// copies in Room. It changes nothing if nothing has moved, so you can call it at any time.
func Migrate(root string, now time.Time) (said []string, err error) {
	return moved.migrate(root, All(), now)
}

func (m moves) migrate(root string, all []Exercise, now time.Time) (said []string, err error) {
	for _, e := range all {
		for _, old := range slices.Sorted(maps.Keys(m.files)) {
			if m.files[old] != e.ID() || old == e.File {
				continue
			}
			line, err := m.move(root, old, e, now)
			if err != nil {
				return said, fmt.Errorf("move %s to %s: %w", old, e.File, err)
			}
			said = append(said, line...)
		}
	}
	var fitted []string
	for _, e := range all {
		switch changed, err := m.fit(root, e); {
		case errors.Is(err, errConflict):
			said = append(said, e.File+": git left conflict markers (<<<<<<<) in it: "+
				"keep your lines, and remove the others")
		case err != nil:
			return said, err
		case changed:
			fitted = append(fitted, filepath.Base(e.File))
		}
	}
	if n := len(fitted); n > 0 {
		files := strings.Join(fitted, ", ")
		if n > 3 {
			files = fmt.Sprintf("%d of your files", n)
		}
		said = append(said, "packages have moved; changed the imports or the package clause of "+files)
	}
	return said, nil
}

// move moves the file at the old path, if there is one.
func (m moves) move(root, old string, e Exercise, now time.Time) (said []string, err error) {
	was, err := readRegular(filepath.Join(root, old))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	reference, err := os.ReadFile(filepath.Join(root, e.Reference()))
	if err != nil {
		return nil, err
	}
	is, err := readRegular(filepath.Join(root, e.File))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	text := m.fitted(was, reference)
	to, line := e.File, fmt.Sprintf("moved your %s to %s", old, e.File)
	switch {
	case bytes.Equal(text, is): // an interrupted update has copied it already
	case unsolved(is) && !unsolved(was):
		err = replace(filepath.Join(root, to), text)
	default:
		why := "which is already yours"
		if unsolved(was) {
			why = "and was not solved"
		}
		to = copyName(e, now)
		line = fmt.Sprintf("%s has moved to %s, %s; what was there is kept in %s", old, e.File, why, to)
		err = replace(filepath.Join(root, to), was)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Remove(filepath.Join(root, old)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return []string{line}, nil
}

var (
	errConflict    = errors.New("conflict markers")
	conflictMarker = regexp.MustCompile(`(?m)^<<<<<<< `)
)

// fit adapts the learner's file to its present package, and reports whether it changed the file.
func (m moves) fit(root string, e Exercise) (changed bool, err error) {
	path := filepath.Join(root, e.File)
	is, err := readRegular(path)
	if err != nil {
		return false, nil // Read says what to do
	}
	if conflictMarker.Match(is) {
		return false, errConflict
	}
	reference, err := os.ReadFile(filepath.Join(root, e.Reference()))
	if err != nil {
		return false, err
	}
	text := m.fitted(is, reference)
	if bytes.Equal(text, is) {
		return false, nil
	}
	return true, replace(path, text)
}

var packageClause = regexp.MustCompile(`(?m)^package \w+`)

// fitted returns a learner's text with the reference's package clause and with present imports.
func (m moves) fitted(text, reference []byte) []byte {
	at, want := packageClause.FindIndex(text), packageClause.Find(reference)
	if at != nil && want != nil {
		text = slices.Concat(text[:at[0]], want, text[at[1]:])
	}
	for old, now := range m.imports {
		text = bytes.ReplaceAll(text, fmt.Appendf(nil, "%q", old), fmt.Appendf(nil, "%q", now))
	}
	return text
}

// Written reports whether a learner has written code in the file of an exercise.
func Written(root string, e Exercise) bool {
	text, err := readRegular(filepath.Join(root, e.File))
	return err == nil && !unsolved(text)
}

// unsolved reports whether a learner's file holds no solution, whatever its comments say: it is
// missing, or every function only returns todo.Exercise. IsUnsolved is stricter: it compares with
// the file as shipped now, which an update changes.
func unsolved(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		return false // the learner is writing it
	}
	return !slices.ContainsFunc(file.Decls, func(d ast.Decl) bool {
		switch d := d.(type) {
		case *ast.GenDecl:
			return d.Tok != token.IMPORT
		case *ast.FuncDecl:
			return d.Body == nil || len(d.Body.List) != 1 || !returnsTodo(d.Body.List[0])
		}
		return true
	})
}

// returnsTodo reports whether a statement is return …, todo.Exercise(…).
func returnsTodo(s ast.Stmt) bool {
	r, ok := s.(*ast.ReturnStmt)
	if !ok || len(r.Results) == 0 {
		return false
	}
	call, ok := r.Results[len(r.Results)-1].(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := f.X.(*ast.Ident)
	return ok && pkg.Name == "todo" && f.Sel.Name == "Exercise"
}
