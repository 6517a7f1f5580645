package lint

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"containerkit/lessons/exercise"
)

// named is the line that begins an exercise in a lesson; it names the exercise.
var named = regexp.MustCompile("\\*\\*Exercise `([^`]+)`\\.\\*\\*")

// exercises: the lesson of an exercise's step names it, links the learner's file, and says how to check it. No lesson names
// one that is not there.
func (k Kit) exercises(pages []page) (list []Problem, err error) {
	for _, p := range pages {
		for i, line := range p.lines {
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				if !slices.ContainsFunc(k.Exercises, func(e exercise.Exercise) bool { return e.ID() == m[1] }) {
					list = append(list, Problem{p.file, i + 1, fmt.Sprintf("there is no exercise %s: name another, or add it in lessons/exercise", m[1])})
				}
			}
		}
	}
	for _, e := range k.Exercises {
		file := e.Stage + "/README.md"
		i := slices.IndexFunc(pages, func(p page) bool { return p.file == file })
		if i < 0 {
			continue // told by lessons
		}
		// An exercise of no step is told anywhere on its stage's page.
		text, line, of := strings.Join(pages[i].lines, "\n"), 0, e.Stage
		if e.Step != "" {
			sections := pages[i].sections()
			at := slices.IndexFunc(sections, func(s section) bool { return s.title == e.Step })
			if at < 0 {
				where, line := k.where("lessons/exercise/*.go", strconv.Quote(e.Name))
				list = append(list, Problem{where, line, fmt.Sprintf("%s belongs to the step %s, which has no lesson in %s", e.ID(), e.Step, file)})
				continue
			}
			text, line, of = sections[at].text, sections[at].line, e.Step
		}
		link, err := filepath.Rel(e.Stage, e.File)
		if err != nil {
			return nil, err
		}
		for _, want := range []string{"**Exercise `" + e.ID() + "`.**", "](" + link + ")", "`go run ./lessons check " + e.ID() + "`"} {
			if !strings.Contains(text, want) {
				list = append(list, Problem{file, line, fmt.Sprintf("the lesson of %s does not name its exercise: it lacks %s", of, want)})
			}
		}
	}
	return list, nil
}

// Wrong solutions an exercise must have, at least; and mistakes that it recognizes.
const enough = 2

// collection: every exercise is complete, its file is unsolved as its reference makes it, and it has wrong solutions, each
// with a diagnosis that it knows.
func (k Kit) collection([]page) (list []Problem, err error) {
	seen := map[string]bool{}
	for _, e := range k.Exercises {
		where, line := k.where("lessons/exercise/*.go", strconv.Quote(e.Name))
		wrong := func(format string, args ...any) {
			list = append(list, Problem{where, line, e.ID() + " " + fmt.Sprintf(format, args...)})
		}
		if seen[e.ID()] {
			wrong("is there twice: rename one")
		}
		seen[e.ID()] = true
		for _, part := range []struct{ what, text string }{
			{"title", e.Title}, {"task", e.Task}, {"manual page to read", strings.Join(e.Read, "")}, {"package of its check", e.Package},
			{"tests that check it", e.Run}, {"command that shows it", e.Shows}, {"hint", strings.Join(e.Hints, "")},
		} {
			if strings.TrimSpace(part.text) == "" {
				wrong("has no %s: add it", part.what)
			}
		}
		if n := len(e.Diagnoses); n < enough {
			wrong("has %d diagnoses, want %d or more: what do learners get wrong?", n, enough)
		}
		if e.Package != "" && e.Run != "" {
			for _, text := range k.tested([]string{"-run", e.Run, "./" + e.Package}) {
				wrong("cannot be checked: %s", text)
			}
		}
		unsolved, err := exercise.IsUnsolved(k.Root, e)
		if err != nil {
			list = append(list, Problem{e.File, 0, err.Error()})
		} else if !unsolved {
			list = append(list, Problem{e.File, 0, "is not what " + e.Reference() + " makes it: go run ./lessons reset " + e.ID() + " (or lint -fix, for all)"})
		}
		cases, err := exercise.WrongSolutions(k.Root, e)
		if err != nil {
			wrong("has a wrong solution that does not say its diagnosis: %v", err)
			continue
		}
		if len(cases) < enough {
			wrong("has %d wrong solutions, want %d or more: %s/%s/CASE.go", len(cases), enough, exercise.WrongDir, e.ID())
		}
		for _, c := range cases {
			if !slices.ContainsFunc(e.Diagnoses, func(d exercise.Diagnosis) bool { return d.Name == c.Diagnosis }) {
				list = append(list, Problem{c.Path, 1, fmt.Sprintf("%s has no diagnosis %q: name one that it has, or add it", e.ID(), c.Diagnosis)})
			}
		}
	}
	return list, nil
}

// shows: the command by which a solved exercise is seen at work exists.
func (k Kit) shows([]page) (list []Problem, err error) {
	for _, e := range k.Exercises {
		if strings.TrimSpace(e.Shows) == "" {
			continue // told by collection
		}
		file, line := k.where("lessons/exercise/*.go", e.Shows)
		problems, n, err := k.command(file, line, e.Shows)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			problems = append(problems, Problem{file, line, fmt.Sprintf("%q, which shows %s, is no command of the kit: want go run … or go test …", e.Shows, e.ID())})
		}
		list = append(list, problems...)
	}
	return list, nil
}

// counted is a number of exercises, in a text.
var counted = regexp.MustCompile(`\b(\d+) exercises\b`)

// table: the README's table of lessons has a row for every stage, with its steps; and it counts the exercises rightly.
func (k Kit) table(pages []page) (list []Problem, err error) {
	for _, p := range pages {
		for i, line := range p.lines {
			for _, m := range counted.FindAllStringSubmatch(line, -1) {
				if m[1] != strconv.Itoa(len(k.Exercises)) {
					list = append(list, Problem{p.file, i + 1, fmt.Sprintf("there are %d exercises, and not %s", len(k.Exercises), m[1])})
				}
			}
		}
		if p.file != "README.md" {
			continue
		}
		for _, stage := range k.Stages {
			names := make([]string, 0, len(stage.Steps))
			for _, s := range stage.Steps {
				names = append(names, s.Name)
			}
			row, steps := "| ["+stage.Dir+"]("+stage.Dir+"/README.md) |", "| "+strings.Join(names, " ")+" |"
			i := slices.IndexFunc(p.lines, func(line string) bool { return strings.HasPrefix(line, row) })
			if i < 0 || !strings.Contains(p.lines[i], steps) {
				list = append(list, Problem{p.file, i + 1, fmt.Sprintf("the table of lessons needs a row that begins with %s and has the steps %s", row, steps)})
			}
		}
	}
	return list, nil
}

// where finds the file and line that holds a text, in files of the kit that match the pattern.
func (k Kit) where(pattern, text string) (file string, line int) {
	paths, _ := filepath.Glob(filepath.Join(k.Root, filepath.FromSlash(pattern)))
	for _, path := range paths {
		raw, _ := os.ReadFile(path)
		if before, _, ok := strings.Cut(string(raw), text); ok && !strings.HasSuffix(path, "_test.go") {
			rel, err := filepath.Rel(k.Root, path)
			return cmp.Or(map[bool]string{true: rel}[err == nil], path), strings.Count(before, "\n") + 1
		}
	}
	return filepath.Dir(pattern), 0
}
