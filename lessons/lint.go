package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"containerkit/lessons/author/atlas"
	"containerkit/lessons/author/lint"
	"containerkit/lessons/compare"
	"containerkit/lessons/exercise"
	"containerkit/lessons/kit/course"
)

func lintCommand() *cobra.Command {
	var try, fix bool
	c := &cobra.Command{
		Use: "lint [STAGE[/EXERCISE]…]", Short: "for authors: check that the course is complete",
		Long: "Checks that every step has its claim, its control and its lesson; that every\n" +
			"exercise is complete, named in its step's lesson, and unsolved as generated from its\n" +
			"reference; that every link and file in the Markdown exists, and that every\n" +
			"command of containerkit in it exists, with its flags, steps, packages and tests.\n" +
			"With -exercises it also tries all of them, or those named: each must be unsolved as\n" +
			"shipped, each wrong solution must fail and get its diagnosis, and each reference\n" +
			"must pass. That takes minutes, in a copy of containerkit. (Each stage's tests run the\n" +
			"transcripts and the commands by hand.)",
		RunE: func(c *cobra.Command, args []string) error {
			list, err := exercise.Find(args...)
			if err != nil {
				return err
			}
			if len(args) > 0 && !try {
				return fmt.Errorf("%s: only -exercises takes names", args[0])
			}
			root, err := kit()
			if err != nil {
				return failure{err}
			}
			if fix {
				if err := fixStubs(c.OutOrStdout(), root); err != nil {
					return failure{err}
				}
				written, err := lintKit(root).Fill()
				for _, file := range written {
					fmt.Fprintf(c.OutOrStdout(), "wrote the regions of %s\n", file)
				}
				if err != nil {
					return failure{err}
				}
			}
			problems, err := lintKit(root).Check()
			if err != nil {
				return failure{err}
			}
			for _, p := range problems {
				fmt.Fprintln(c.OutOrStdout(), p)
			}
			n := len(problems)
			if try {
				wrong, err := tryExercises(c, root, list)
				if err != nil {
					return ending(err)
				}
				n += len(wrong)
			}
			switch n {
			case 0:
				fmt.Fprintln(c.OutOrStdout(), "the course is whole")
				return nil
			case 1:
				return failure{errors.New("a problem in the course")}
			}
			return failure{fmt.Errorf("%d problems in the course", n)}
		},
	}
	c.Flags().BoolVar(&try, "exercises", false, "try every exercise, wrong solution and reference")
	c.Flags().BoolVar(&fix, "fix", false, "rewrite the unsolved files (old versions are kept in "+exercise.Room+"/copies), and the generated regions of the Markdown")
	return c
}

// fixStubs writes the learner's files as generated from their references.
func fixStubs(out io.Writer, root string) error {
	for _, e := range exercise.All() {
		if unsolved, err := exercise.IsUnsolved(root, e); err == nil && unsolved {
			continue
		}
		stub, err := exercise.Shipped(root, e)
		if err != nil {
			return err
		}
		kept, err := exercise.Put(root, e, stub, time.Now())
		if err != nil {
			return err
		}
		said := "wrote " + e.File
		if kept != "" {
			said += "; the old version is kept in " + kept
		}
		fmt.Fprintln(out, said)
	}
	return nil
}

func lintKit(root string) lint.Kit {
	return lint.Kit{Root: root, Stages: course.Stages, Exercises: exercise.All(), Sources: map[string]lint.Source{"compare": compare.Source, "map": atlas.Source}, Ask: func(program string) (*lint.Program, error) {
		if name, ok := strings.CutPrefix(program, "./lessons"); ok {
			return askLessons(strings.TrimSpace(name)), nil
		}
		return askStage(root, strings.TrimPrefix(program, "./"))
	}}
}

// askLessons finds one of our own commands. The empty name stands for the program itself.
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
	if c.ValidateArgs([]string{"any"}) != nil {
		p.Args = []string{} // none
	}
	if strings.Contains(c.Use, "STAGE/EXERCISE") || strings.Contains(c.Use, "STAGE[/EXERCISE]") {
		for _, e := range exercise.All() {
			p.Args = append(p.Args, e.Stage, e.Name, e.ID())
		}
		p.Args = append(p.Args, "first")
		for n := range checkpointCount {
			p.Args = append(p.Args, fmt.Sprintf("first/%d", n+1))
		}
	}
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

// flagLine matches a flag in a stage's help page: its name, and the kind of its value, if it has
// one.
var flagLine = regexp.MustCompile(`(?m)^  -(\w+)( \w+)?(\t|$)`)

// askStage runs a stage's program for its flags.
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
