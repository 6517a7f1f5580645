// Package lint checks the course itself: that every step has its claim, its control and its lesson, with a transcript and
// something to notice, to do by hand and to break; that what is to break is there; that every exercise is complete, unsolved, and named where its step is told; that every
// link in the Markdown leads somewhere, that every file it names is there, and that every command of the kit that it names
// exists, with its flags, steps, packages and tests. Of the book, docs/, it checks as well that each date has a source, that
// what is typed is in a block that a test runs, and that the table of contents leads to every page. What is made from code and
// data (regions) must be what they make, and is written again by Kit.Fill.
//
// It reads files, and asks the programs for their -h. What must be run to be known is run elsewhere: transcripts, claims,
// controls and the commands by hand by package stagetest; what breaks by package breaks; unsolved files, references and wrong solutions by exercise.Prove.
package lint

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"containerkit/lessons/exercise"
	"containerkit/lessons/kit/course"
)

// A Problem is what is wrong, where, and what to do.
type Problem struct {
	File string
	Line int // from 1; 0 is the whole file
	Text string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// A Program is what a command of the kit understands.
type Program struct {
	Flags []string // without their dashes
	Args  []string // the names that may stand behind the flags; nil if anything may
}

// A Kit is what is checked.
type Kit struct {
	Root string // its directory
	// Stages and Exercises are the course's.
	Stages    []course.Stage
	Exercises []exercise.Exercise
	// Ask tells what a program understands: "./02-namespaces", or "./lessons check". nil: there is no such program.
	Ask func(program string) (*Program, error)
	// Sources make regions of pages, besides those that every kit has.
	Sources map[string]Source
}

// Check applies every rule. The problems come by file and line.
func (k Kit) Check() ([]Problem, error) {
	pages, err := k.pages()
	if err != nil {
		return nil, err
	}
	ask, known := k.Ask, map[string]*Program{} // each program is asked once
	k.Ask = func(program string) (*Program, error) {
		if p, ok := known[program]; ok {
			return p, nil
		}
		p, err := ask(program)
		known[program] = p
		return p, err
	}
	var all []Problem
	for _, rule := range []func([]page) ([]Problem, error){k.lessons, k.breaks, k.table, k.claims, k.exercises, k.collection, k.shows, k.links, k.files, k.commands, k.regions, k.dates, k.typed, k.contents, k.words} {
		problems, err := rule(pages)
		if err != nil {
			return nil, err
		}
		all = append(all, problems...)
	}
	slices.SortFunc(all, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Text, b.Text))
	})
	return slices.Compact(all), nil
}

// A page is a Markdown file.
type page struct {
	file  string // below the kit's directory
	lines []string
}

// pages are all Markdown files of the kit.
func (k Kit) pages() (list []page, err error) {
	err = filepath.WalkDir(k.Root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != k.Root || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".md" {
			return nil
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(k.Root, name)
		list = append(list, page{rel, strings.Split(string(raw), "\n")})
		return err
	})
	return list, err
}

// A section is a part of a page below a heading of the second degree.
type section struct {
	title string
	line  int // of the heading
	text  string
}

func (p page) sections() (list []section) {
	for i, line := range p.lines {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			list = append(list, section{title: title, line: i + 1})
		} else if len(list) > 0 {
			list[len(list)-1].text += line + "\n"
		}
	}
	return list
}

// What a lesson has, in this order. What is to break is looked at more closely: see breaks.
var parts = []struct{ what, pattern string }{
	{"its idea: begin with **Idea.**", `\A\s*\*\*Idea\.\*\* \S`},
	{"a transcript of it: below **Run it.** a block ```console that begins with $ go run ./STAGE STEP", "(?m)^\\*\\*Run it\\.\\*\\*(?s:.*?)^```console\n\\$ go run (-exec sudo )?\\./STAGE (.* )?STEP$"},
	{"something to notice: **Notice.** …", `(?m)^\*\*Notice\.\*\* \S`},
	{"what to do by hand: below **By hand.** a block ```sh with the commands that the step prints", "(?m)^\\*\\*By hand\\.\\*\\*(?s:.*?)^```sh\n"},
	{"something to break: **Break it.** …", `(?m)^\*\*Break it\.\*\* \S`},
	{"an exercise: **Exercise `STAGE/NAME`.** …, or a question: **Think about it.** … (or, with the reason, **No exercise.** …)", "(?m)^\\*\\*(Exercise|Think about it|No exercise)(\\.| `)"},
	{"where to go on: **Next.** …", `(?m)^\*\*Next\.\*\* \S`},
}

// lessons: every step has a section in its stage's README, in the course's order, with the parts of a lesson.
func (k Kit) lessons(pages []page) (list []Problem, err error) {
	for _, stage := range k.Stages {
		file := stage.Dir + "/README.md"
		i := slices.IndexFunc(pages, func(p page) bool { return p.file == file })
		if i < 0 {
			list = append(list, Problem{file, 0, "the stage has no lesson: write it, in the shape of the others"})
			continue
		}
		sections := pages[i].sections()
		last := 0
		for _, step := range stage.Steps {
			at := slices.IndexFunc(sections, func(s section) bool { return s.title == step.Name })
			if at < 0 {
				list = append(list, Problem{file, 0, fmt.Sprintf("step %s has no lesson: add a section ## %s", step.Name, step.Name)})
				continue
			}
			s := sections[at]
			if s.line < last {
				list = append(list, Problem{file, s.line, fmt.Sprintf("the lesson of %s stands before that of a step that comes earlier in the course", step.Name)})
			}
			last = s.line
			from := 0
			for _, part := range parts {
				of := strings.NewReplacer("STAGE", stage.Dir, "STEP", step.Name)
				at := regexp.MustCompile(of.Replace(part.pattern)).FindStringIndex(s.text)
				switch {
				case at == nil:
					list = append(list, Problem{file, s.line, fmt.Sprintf("the lesson of %s lacks %s", step.Name, of.Replace(part.what))})
				case at[0] < from:
					list = append(list, Problem{file, s.line, fmt.Sprintf("the lesson of %s has in another place than the others %s", step.Name, of.Replace(part.what))})
				default:
					from = at[0]
				}
			}
		}
	}
	return list, nil
}

// claims: every step says what it proves and has a test of its claim and of its control.
func (k Kit) claims([]page) (list []Problem, err error) {
	for _, stage := range k.Stages {
		tests, err := filepath.Glob(filepath.Join(k.Root, stage.Dir, "*_test.go"))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(tests, func(name string) bool {
			raw, _ := os.ReadFile(name)
			return strings.Contains(string(raw), "stagetest.Claims(")
		}) {
			list = append(list, Problem{stage.Dir, 0, "no test holds the steps to their claims and controls: call stagetest.Claims"})
		}
		for _, step := range stage.Steps {
			if strings.TrimSpace(step.Claim) == "" {
				file, line := k.where("lessons/kit/course/*.go", "{"+strconv.Quote(step.Name)+",")
				list = append(list, Problem{file, line, fmt.Sprintf("step %s of %s has no claim: say in a line what it proves", step.Name, stage.Dir)})
			}
		}
	}
	return list, nil
}
