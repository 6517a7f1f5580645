package exercise

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Wrong holds a wrong solution from the collection, and the diagnosis that it must get.
type Wrong struct {
	Exercise  Exercise
	Path      string // relative to containerkit's directory
	Diagnosis string
	Text      []byte
}

// WrongDir holds the collection: STAGE/NAME/CASE.go. Each file begins with "// diagnosis: NAME".
const WrongDir = "lessons/exercise/testdata/wrong"

// WrongSolutions reads the collection for one exercise.
func WrongSolutions(root string, e Exercise) ([]Wrong, error) {
	paths, err := filepath.Glob(filepath.Join(root, WrongDir, e.Stage, e.Name, "*.go"))
	if err != nil {
		return nil, err
	}
	var list []Wrong
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		first, rest, _ := strings.Cut(string(raw), "\n")
		name, ok := strings.CutPrefix(first, "// diagnosis: ")
		if !ok {
			return nil, fmt.Errorf("%s:1: want // diagnosis: NAME", path)
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return nil, err
		}
		list = append(list, Wrong{e, rel, strings.TrimSpace(name), []byte(strings.TrimLeft(rest, "\n"))})
	}
	return list, nil
}

// Prove tries exercises in a copy of containerkit that it can change. The check must call each
// exercise unsolved as shipped. Each wrong solution must fail and get its diagnosis, and the
// reference must pass. Prove solves the exercises before the first one with the reference. It
// reports each trial through tell, and returns the problems of the course.
func Prove(ctx context.Context, root string, exercises []Exercise, tell func(line string)) (problems []string, err error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, e := range All() {
		at := slices.IndexFunc(exercises, func(x Exercise) bool { return x.ID() == e.ID() })
		if at >= 0 {
			e = exercises[at]
		}
		reference, err := os.ReadFile(filepath.Join(root, e.Reference()))
		if err != nil {
			return problems, err
		}
		write := func(text []byte) error { return os.WriteFile(filepath.Join(root, e.File), text, 0o644) }
		if at >= 0 {
			stub, err := Stub(e, reference)
			if err != nil {
				return problems, err
			}
			// One extra line makes the file differ from the shipped one, so the check must run the
			// tests.
			if err := write(append(stub, "\n// not yet\n"...)); err != nil {
				return problems, err
			}
			r, err := Check(ctx, root, e)
			if err != nil {
				return problems, err
			}
			tell(fmt.Sprintf("%s as shipped: %s", e.ID(), r.Outcome))
			if r.Outcome == Unchecked {
				tell("  " + r.Reason)
			} else if r.Outcome != Unsolved {
				wrong("%s: the unsolved file gives %q, want %q: %s\n%s", e.File, r.Outcome, Unsolved, r.Reason, r.State.Output)
			}
			cases, err := WrongSolutions(root, e)
			if err != nil {
				return problems, err
			}
			if len(cases) == 0 {
				wrong("%s has no wrong solution in %s", e.ID(), filepath.Join(WrongDir, e.Stage, e.Name))
			}
			for _, c := range cases {
				if err := write(c.Text); err != nil {
					return problems, err
				}
				r, err := Check(ctx, root, e)
				if err != nil {
					return problems, err
				}
				got := "none"
				if r.Diagnosis != nil {
					got = r.Diagnosis.Name
				}
				tell(fmt.Sprintf("%s: %s, diagnosis %s", c.Path, r.Outcome, got))
				if r.Outcome != Unchecked && (r.Outcome != Failed || got != c.Diagnosis) {
					wrong("%s: %s with diagnosis %s, want %s with %s: %s\n%s", c.Path, r.Outcome, got, Failed, c.Diagnosis, r.Reason, r.State.Output)
				}
			}
		}
		if err := write(Solution(reference)); err != nil {
			return problems, err
		}
		if at >= 0 {
			// Later exercises stay unsolved: an exercise must not need them.
			r, err := Check(ctx, root, e)
			if err != nil {
				return problems, err
			}
			tell(fmt.Sprintf("%s with the reference: %s", e.ID(), r.Outcome))
			if r.Outcome != Solved && r.Outcome != Unchecked {
				wrong("%s: the reference is %q: %s\n%s", e.Reference(), r.Outcome, r.Reason, r.State.Output)
			}
		}
	}
	return problems, nil
}

// Copy copies containerkit to a new directory, without its history and without Room.
func Copy(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (rel == ".git" || rel == Room):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), text, 0o644)
	})
}

// Pristine replaces every learner's file by the unsolved one. Use it in a copy of containerkit.
func Pristine(root string) error {
	return each(root, func(e Exercise, reference []byte) ([]byte, error) { return Stub(e, reference) })
}

// Solve replaces every learner's file by the reference. Use it in a copy of containerkit.
func Solve(root string) error {
	return each(root, func(_ Exercise, reference []byte) ([]byte, error) { return Solution(reference), nil })
}

func each(root string, text func(e Exercise, reference []byte) ([]byte, error)) error {
	for _, e := range All() {
		reference, err := os.ReadFile(filepath.Join(root, e.Reference()))
		if err != nil {
			return err
		}
		mine, err := text(e, reference)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, e.File), mine, 0o644); err != nil {
			return err
		}
	}
	return nil
}
