package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"containerkit/lessons/course"
	"containerkit/lessons/exercise"
	"containerkit/lessons/lint"
)

func lintCommand() *cobra.Command {
	return &cobra.Command{
		Use: "lint", Short: "for authors: is the course whole?", Args: cobra.NoArgs,
		Long: "Checks that every step has its lesson, that every exercise is named where its step\n" +
			"is told and is unsolved as its reference makes it, that every link in the Markdown\n" +
			"leads somewhere, and that every command of the kit that it names exists. (That\n" +
			"transcripts are true, that references pass and that wrong solutions get their\n" +
			"diagnosis is tested: CONTAINERKIT_EXERCISES=all go test ./lessons/exercise.)",
		RunE: func(c *cobra.Command, _ []string) error {
			root, err := kit()
			if err != nil {
				return failure{err}
			}
			problems, err := lintKit(root).Check()
			if err != nil {
				return failure{err}
			}
			for _, e := range exercise.All() {
				if unsolved, err := exercise.IsUnsolved(root, e); err != nil {
					problems = append(problems, lint.Problem{File: e.File, Text: err.Error()})
				} else if !unsolved {
					problems = append(problems, lint.Problem{File: e.File, Text: "is not what its reference makes it: go test ./lessons/exercise -update (or it is solved: go run ./lessons reset " + e.ID() + ")"})
				}
			}
			for _, p := range problems {
				fmt.Fprintln(c.OutOrStdout(), p)
			}
			if len(problems) > 0 {
				return failure{fmt.Errorf("%d problems in the course", len(problems))}
			}
			fmt.Fprintln(c.OutOrStdout(), "the course is whole")
			return nil
		},
	}
}

func lintKit(root string) lint.Kit {
	return lint.Kit{Root: root, Stages: course.Stages, Exercises: exercise.All(), Ask: func(program string) (*lint.Program, error) {
		if name, ok := strings.CutPrefix(program, "./lessons"); ok {
			return askLessons(strings.TrimSpace(name)), nil
		}
		return askStage(root, strings.TrimPrefix(program, "./"))
	}}
}

// askLessons finds one of our own commands; the empty name is the program itself.
func askLessons(name string) *lint.Program {
	c := commands()
	if name != "" {
		found, _, err := c.Find([]string{name})
		if err != nil || found == c {
			return nil
		}
		c = found
	}
	p := &lint.Program{}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		names := []string{f.Name}
		if f.Shorthand != "" {
			names = append(names, f.Shorthand)
		}
		for _, n := range names {
			if f.NoOptDefVal == "" {
				n += " "
			}
			p.Flags = append(p.Flags, n)
		}
	})
	return p
}

// flagLine is a flag in the help page of a stage: its name, and what kind of value it wants, if any.
var flagLine = regexp.MustCompile(`(?m)^  -(\w+)( \w+)?(\t|$)`)

// askStage asks a stage's program for its flags.
func askStage(root, dir string) (*lint.Program, error) {
	i := slices.IndexFunc(course.Stages, func(s course.Stage) bool { return s.Dir == dir })
	if i < 0 {
		return nil, nil
	}
	cmd := exec.Command("go", "run", "./"+dir, "-h")
	cmd.Dir = root
	var errs bytes.Buffer
	cmd.Stderr = &errs
	help, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go run ./%s -h: %w\n%s", dir, err, errs.String())
	}
	p := &lint.Program{Args: []string{"leaks"}}
	for _, m := range flagLine.FindAllStringSubmatch(string(help), -1) {
		name := m[1]
		if m[2] != "" {
			name += " "
		}
		p.Flags = append(p.Flags, name)
	}
	for _, s := range course.Stages[i].Steps {
		p.Args = append(p.Args, s.Name)
	}
	return p, nil
}
