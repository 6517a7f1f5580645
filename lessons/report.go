package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"containerkit/lessons/doctor"
	"containerkit/lessons/exercise"
	"containerkit/lessons/kit/course"
)

// A report is what a learner hands in.
type report struct {
	Kit       string     `json:"containerkit"` // reportVersion
	Learner   string     `json:"learner"`
	When      time.Time  `json:"when"`
	Machine   []fact     `json:"machine"` // the facts of the doctor's report
	Cannot    []string   `json:"cannot"`  // features that it lacks
	Exercises []handedIn `json:"exercises"`
}

type fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A handedIn is an exercise as it was checked for the report, with its history.
type handedIn struct {
	ID      string           `json:"id"`
	Outcome exercise.Outcome `json:"outcome"`
	Claim   string           `json:"claim,omitempty"`
	Record  exercise.Record  `json:"record"`
}

const reportVersion = "report 1"

func reportCommand() *cobra.Command {
	var name, file string
	c := exerciseCommand(cobra.Command{
		Use: "report", Short: "write one file to hand in: what you solved, and in how many tries", Args: cobra.NoArgs,
		Long: "Checks all exercises now, and writes the results, the history of your tries and the\n" +
			"features of this machine to one file. The file contains none of your code.",
	}, func(c *cobra.Command, root string, progress exercise.Progress, _ []string) error {
		if name == "" {
			name = fmt.Sprintf("user %d", os.Getuid())
			if u, err := user.Current(); err == nil && u.Username != "" {
				name = u.Username // a UID in a container often has no name
			}
		}
		if info, err := os.Stat(filepath.Dir(file)); err != nil {
			return failure{err} // before all exercises are checked in vain
		} else if !info.IsDir() || file == "" {
			return fmt.Errorf("-output %q: want a file name", file)
		}
		ctx, stop := interruptible(c.Context())
		defer stop()
		now := time.Now()
		r := report{Kit: reportVersion, Learner: name, When: now.UTC().Truncate(time.Second), Machine: []fact{}, Cannot: []string{}}
		examined := doctor.Examine()
		for _, f := range examined.Facts {
			r.Machine = append(r.Machine, fact{f.Name, f.Value})
		}
		for _, f := range examined.Features {
			if f.Outcome != doctor.Works {
				r.Cannot = append(r.Cannot, string(f.Feature))
			}
		}
		solved := 0
		for _, e := range exercise.All() {
			result, err := exercise.Check(ctx, root, e)
			if err != nil {
				return ending(err)
			}
			progress.Note(result, now)
			if result.Outcome == exercise.Solved {
				solved++
			}
			r.Exercises = append(r.Exercises, handedIn{e.ID(), result.Outcome, result.State.Claim, progress[e.ID()]})
		}
		raw, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return failure{err}
		}
		if err := os.WriteFile(file, append(raw, '\n'), 0o644); err != nil {
			return failure{err}
		}
		fmt.Fprintf(c.OutOrStdout(), "%d of %d solved; hand in %s\n", solved, len(r.Exercises), file)
		return nil
	})
	c.Flags().StringVar(&name, "name", "", "your name (default: that of your account)")
	c.Flags().StringVarP(&file, "output", "o", "containerkit-report.json", "file to write")
	return c
}

func classCommand() *cobra.Command {
	return &cobra.Command{
		Use: "class DIR", Short: "print a table of the reports in a directory", Args: cobra.ExactArgs(1),
		Long: "Reads every report in DIR (*.json), and prints a line for each learner: the solved\n" +
			"exercises of each stage, the number of failed checks, and the exercise that comes\n" +
			"next. The exit status is 1 if a file could not be read.",
		RunE: func(c *cobra.Command, args []string) error {
			paths, err := reportsIn(args[0])
			if err != nil {
				return failure{err}
			}
			var reports []report
			bad := 0
			for _, path := range paths {
				r, err := readReport(path)
				if err != nil {
					bad++
					fmt.Fprintf(c.ErrOrStderr(), "lessons: %v\n", err)
					continue
				}
				reports = append(reports, r)
			}
			class(c.OutOrStdout(), reports)
			if bad > 0 {
				return errSaid
			}
			return nil
		},
	}
}

// reportsIn returns the .json files in a directory. (filepath.Glob would take a bracket in the
// directory's name for a pattern.)
func reportsIn(dir string) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".json" {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no .json file in %s; learners write theirs with: go run ./lessons report", dir)
	}
	return paths, nil
}

func readReport(path string) (r report, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	if r.Kit != reportVersion {
		return r, fmt.Errorf("%s is not what go run ./lessons report writes: it begins with %q, not %q", path, r.Kit, reportVersion)
	}
	if r.Learner == "" {
		r.Learner = strings.TrimSuffix(filepath.Base(path), ".json")
	}
	return r, nil
}

// class prints the table: learners down, stages across.
func class(w io.Writer, reports []report) {
	slices.SortFunc(reports, func(a, b report) int { return strings.Compare(strings.ToLower(a.Learner), strings.ToLower(b.Learner)) })
	fmt.Fprintf(w, "%-16s", "learner")
	for _, s := range course.Stages {
		fmt.Fprintf(w, " %5s", s.Dir[:2])
	}
	fmt.Fprintf(w, " %6s %5s %5s  %s\n", "solved", "tries", "hints", "stands at")
	for _, r := range reports {
		solved, of := map[string]int{}, map[string]int{}
		total, tries, hints, at := 0, 0, 0, "–"
		for _, e := range r.Exercises {
			stage, _, _ := strings.Cut(e.ID, "/")
			of[stage]++
			tries += e.Record.Tries
			hints += e.Record.Hints
			switch {
			case e.Outcome == exercise.Solved:
				solved[stage]++
				total++
			case at == "–":
				at = e.ID + " (" + string(e.Outcome) + ")"
			}
		}
		fmt.Fprintf(w, "%-16s", cutTo(r.Learner, 16))
		for _, s := range course.Stages {
			fmt.Fprintf(w, " %5s", fmt.Sprintf("%d/%d", solved[s.Dir], of[s.Dir]))
		}
		fmt.Fprintf(w, " %6s %5d %5d  %s\n", fmt.Sprintf("%d/%d", total, len(r.Exercises)), tries, hints, at)
	}
}

// cutTo shortens a text to at most n letters.
func cutTo(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}
