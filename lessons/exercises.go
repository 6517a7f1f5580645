package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"containerkit/lessons/exercise"
)

// kit returns the directory of the checkout: the one whose go.mod is containerkit's.
func kit() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		raw, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(raw), "module containerkit\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("this command works on the files of the course: run it in the checkout, where go.mod is")
		}
	}
}

// onLinux returns an error on any other system.
func onLinux() error {
	if runtime.GOOS == "linux" {
		return nil
	}
	return failure{fmt.Errorf("the exercises need Linux, and this is %s; to get a Linux machine: go run ./lessons vm", runtime.GOOS)}
}

// one returns the exercise that a command is about: the named one, or the next one.
func one(args []string, progress exercise.Progress) (exercise.Exercise, error) {
	if len(args) == 0 {
		e, ok := progress.Next()
		if !ok {
			return e, failure{errors.New("all exercises are solved; to run your own container: go run -tags mine ./05-full; to see an exercise again, name it")}
		}
		return e, nil
	}
	found, err := exercise.Find(args...)
	if err != nil {
		return exercise.Exercise{}, err
	}
	if len(found) != 1 {
		return exercise.Exercise{}, fmt.Errorf("%s stands for %d exercises; name one, such as %s", args[0], len(found), found[0].ID())
	}
	return found[0], nil
}

// exerciseCommand returns a command about exercises: it finds the checkout and the progress, and
// saves the progress afterwards. First it migrates the learner's files to packages that an update
// of the course has moved.
func exerciseCommand(c cobra.Command, work func(c *cobra.Command, root string, p exercise.Progress, args []string) error) *cobra.Command {
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := onLinux(); err != nil {
			return err
		}
		root, err := kit()
		if err != nil {
			return failure{err}
		}
		// Standard output belongs to the command, and may be JSON or a file to hand in.
		said, err := exercise.Migrate(root, time.Now())
		for _, line := range said {
			fmt.Fprintln(c.ErrOrStderr(), line)
		}
		if err != nil {
			return failure{err}
		}
		progress, err := exercise.LoadProgress(root)
		if err != nil {
			return failure{err}
		}
		before := maps.Clone(progress)
		if err := work(c, root, progress, args); err != nil && err != errSaid {
			return err
		} else if saved := progress.Save(root, before); saved != nil {
			return failure{saved}
		} else {
			return err
		}
	}
	return &c
}

func exerciseCommands() []*cobra.Command {
	return []*cobra.Command{checkCommand(), hintCommand(), solutionCommand(), diffCommand(), resetCommand(), watchCommand(),
		reportCommand(), classCommand()}
}

// A checked is a result as -json prints it.
type checked struct {
	ID        string           `json:"id"`
	Title     string           `json:"title"`
	File      string           `json:"file"`
	Outcome   exercise.Outcome `json:"outcome"`
	Claim     string           `json:"claim,omitempty"`
	Expected  string           `json:"expected,omitempty"`
	Got       string           `json:"got,omitempty"`
	From      string           `json:"from,omitempty"`
	Diagnosis string           `json:"diagnosis,omitempty"`
	Say       string           `json:"say,omitempty"`
	Reason    string           `json:"reason,omitempty"`
}

func show(r exercise.Result) checked {
	c := checked{ID: r.Exercise.ID(), Title: r.Exercise.Title, File: r.Exercise.File, Outcome: r.Outcome, Reason: r.Reason,
		Claim: r.State.Claim, Expected: r.State.Expected, Got: r.State.Got, From: r.State.From}
	if r.Diagnosis != nil {
		c.Diagnosis, c.Say = r.Diagnosis.Name, r.Diagnosis.Say
	}
	return c
}

func checkCommand() *cobra.Command {
	var all, asJSON bool
	c := exerciseCommand(cobra.Command{
		Use: "check [STAGE[/EXERCISE]…]", Short: "check whether the exercise is solved",
		Long: "Checks what you wrote in a file NAME_mine.go: the tests of its package run with your\n" +
			"code instead of ours. Without a name: the first exercise that is not solved yet.\n" +
			"Exit status: 0 if all checked exercises are solved, 1 if not. An exercise that\n" +
			"this machine cannot check is listed, and does not count as unsolved.\n" +
			"first/1 to first/5 check the program of the chapter: go run ./lessons read first",
	}, func(c *cobra.Command, root string, progress exercise.Progress, args []string) error {
		if asked, err := checkpoints(c.Context(), c.OutOrStdout(), root, args); asked {
			return err
		}
		list, err := exercise.Find(args...)
		if err != nil {
			return err
		}
		if len(args) == 0 && !all {
			next, err := one(nil, progress)
			if err != nil {
				return err
			}
			list = []exercise.Exercise{next}
		}
		ctx, stop := interruptible(c.Context())
		defer stop()
		ok := true
		results := []checked{}
		for _, e := range list {
			r, err := exercise.Check(ctx, root, e)
			if err != nil {
				return ending(err)
			}
			progress.Note(r, time.Now())
			ok = ok && (r.Outcome == exercise.Solved || r.Outcome == exercise.Unchecked)
			results = append(results, show(r))
			if !asJSON {
				tell(c.OutOrStdout(), r, len(list) == 1)
			}
			if !asJSON && len(list) == 1 {
				after(c.OutOrStdout(), r, progress)
			}
		}
		if asJSON {
			enc := json.NewEncoder(c.OutOrStdout())
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(results); err != nil {
				return failure{err}
			}
		} else if len(list) > 1 {
			sum(c.OutOrStdout(), results)
		}
		if !ok {
			return errSaid
		}
		return nil
	})
	c.Flags().BoolVar(&all, "all", false, "check all exercises")
	c.Flags().BoolVar(&asJSON, "json", false, "print the results as a JSON array")
	return c
}

var marks = map[exercise.Outcome]string{
	exercise.Solved: "✓", exercise.Unsolved: "·", exercise.Failed: "✗", exercise.Broken: "✗", exercise.Unchecked: "?",
}

// tell prints a result: in full for one exercise, in short for one of many.
func tell(w io.Writer, r exercise.Result, whole bool) {
	e := r.Exercise
	fill(w, fmt.Sprintf("%s %-24s ", marks[r.Outcome], e.ID()), e.Title)
	switch r.Outcome {
	case exercise.Unsolved:
		if whole {
			fmt.Fprintf(w, "\nwrite %s\n\n", e.File)
			for i, paragraph := range strings.Split(strings.TrimSpace(e.Task), "\n\n") {
				if i > 0 {
					fmt.Fprintln(w)
				}
				fill(w, "  ", paragraph)
			}
			if len(e.Read) > 0 {
				fmt.Fprintln(w)
				fill(w, "read: ", strings.Join(e.Read, ", "))
			}
		}
	case exercise.Broken:
		fmt.Fprintln(w, "  it does not compile:")
		for line := range strings.Lines(r.Reason) {
			fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
		}
		if whole {
			fmt.Fprintf(w, "your file: %s\n", e.File)
		}
	case exercise.Unchecked:
		fill(w, "  cannot be checked here: ", r.Reason)
		asRoot(w, e)
	case exercise.Failed:
		s := r.State
		if r.Reason != "" { // the check stopped before any claim
			fmt.Fprintf(w, "    %s\n", r.Reason)
			break
		}
		if s.Claim == "" { // a failure outside of our claims: a panic, or a test that timed out
			for line := range strings.Lines(s.Output) {
				fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
			}
			break
		}
		for _, part := range [][2]string{{"claim", s.Claim}, {"expected", s.Expected}, {"got", s.Got}, {"read from", s.From}} {
			label := fmt.Sprintf("    %-10s ", part[0])
			if part[1] == "" {
				part[1] = "(nothing)" // got an empty file
			}
			for line := range strings.Lines(part[1]) {
				fill(w, label, line)
				label = strings.Repeat(" ", len(label))
			}
		}
		if r.Diagnosis != nil {
			fill(w, "    → ", r.Diagnosis.Say)
		}
		if whole {
			fmt.Fprintf(w, "your file: %s\n", e.File)
		}
	case exercise.Solved:
		if r.Reason != "" {
			fill(w, "  but one part cannot be checked here: ", r.Reason)
			if whole {
				asRoot(w, e)
			}
		}
		if whole {
			fmt.Fprintf(w, "see it work: %s\n", e.Shows)
		}
	}
}

// asRoot says how to check an exercise in full as root. sudo has its own PATH, which may lack go.
func asRoot(w io.Writer, e exercise.Exercise) {
	if os.Geteuid() != 0 {
		fmt.Fprintf(w, "  as root: go run -exec \"sudo env PATH=$PATH\" ./lessons check %s\n", e.ID())
	}
}

// after prints the next command after a check of one exercise, outside of watch, which has keys for
// it.
func after(w io.Writer, r exercise.Result, progress exercise.Progress) {
	if r.Outcome != exercise.Solved && r.Outcome != exercise.Unchecked {
		fmt.Fprintf(w, "a hint: go run ./lessons hint %s\n", r.Exercise.ID())
	} else if next, ok := progress.Next(); ok && r.Outcome == exercise.Solved {
		fmt.Fprintf(w, "next: %s, in %s\n", next.ID(), next.File)
	}
}

// sum prints the number of exercises with each outcome.
func sum(w io.Writer, results []checked) {
	n := map[exercise.Outcome]int{}
	for _, r := range results {
		n[r.Outcome]++
	}
	fmt.Fprintf(w, "%d of %d solved", n[exercise.Solved], len(results))
	for _, o := range []exercise.Outcome{exercise.Failed, exercise.Broken, exercise.Unsolved, exercise.Unchecked} {
		if n[o] > 0 {
			fmt.Fprintf(w, ", %d %s", n[o], o)
		}
	}
	fmt.Fprintln(w)
	if n[exercise.Solved] == len(results) && len(results) == len(exercise.All()) {
		fmt.Fprintln(w, "run your own container: go run -tags mine ./05-full")
	}
}

func hintCommand() *cobra.Command {
	return exerciseCommand(cobra.Command{
		Use: "hint [STAGE/EXERCISE]", Short: "say what is wrong, or give a general hint", Args: cobra.MaximumNArgs(1),
		Long: "Checks the exercise, and says what is wrong if it knows the mistake. Otherwise it\n" +
			"prints the next general hint, one more with each call. No hint has the solution.",
	}, func(c *cobra.Command, root string, progress exercise.Progress, args []string) error {
		e, err := one(args, progress)
		if err != nil {
			return err
		}
		ctx, stop := interruptible(c.Context())
		defer stop()
		hint, err := exercise.Hint(ctx, root, e, progress)
		if err != nil {
			return ending(err)
		}
		fill(c.OutOrStdout(), e.ID()+": ", hint)
		return nil
	})
}

func solutionCommand() *cobra.Command {
	var put, yes bool
	c := exerciseCommand(cobra.Command{
		Use: "solution [STAGE/EXERCISE]", Short: "print our solution of an exercise", Args: cobra.MaximumNArgs(1),
		Long: "Prints the reference of an exercise that you have solved. For an unsolved one it\n" +
			"needs -yes. With -put it replaces your file; your version is kept in " + exercise.Room + "/copies.",
	}, func(c *cobra.Command, root string, progress exercise.Progress, args []string) error {
		e, err := one(args, progress)
		if err != nil {
			return err
		}
		record := progress[e.ID()]
		if record.Solved.IsZero() && !yes {
			return failure{fmt.Errorf("%s is not solved yet; for a hint: go run ./lessons hint %s; to see the solution anyway: go run ./lessons solution -yes %s", e.ID(), e.ID(), e.ID())}
		}
		if record.Solved.IsZero() {
			record.Peeked = true
			progress[e.ID()] = record
		}
		reference, err := os.ReadFile(filepath.Join(root, e.Reference()))
		if err != nil {
			return failure{err}
		}
		if !put {
			_, err = c.OutOrStdout().Write(reference)
			return err
		}
		return putFile(c.OutOrStdout(), root, e, exercise.Solution(reference))
	})
	c.Flags().BoolVar(&put, "put", false, "write it into your file")
	c.Flags().BoolVar(&yes, "yes", false, "print it even before the exercise is solved")
	return c
}

func resetCommand() *cobra.Command {
	return exerciseCommand(cobra.Command{
		Use: "reset STAGE[/EXERCISE]…", Short: "start an exercise over", Args: cobra.MinimumNArgs(1),
		Long: "Restores your file as it was shipped. Your version is kept in " + exercise.Room + "/copies.",
	}, func(c *cobra.Command, root string, progress exercise.Progress, args []string) error {
		list, err := exercise.Find(args...)
		if err != nil {
			return err
		}
		for _, e := range list {
			stub, err := exercise.Shipped(root, e)
			if err != nil {
				return failure{err}
			}
			if err := putFile(c.OutOrStdout(), root, e, stub); err != nil {
				return err
			}
			delete(progress, e.ID())
		}
		return nil
	})
}

func putFile(w io.Writer, root string, e exercise.Exercise, text []byte) error {
	kept, err := exercise.Put(root, e, text, time.Now())
	if err != nil {
		return failure{err}
	}
	fmt.Fprintf(w, "wrote %s\n", e.File)
	if kept != "" {
		fmt.Fprintf(w, "your old version is kept in %s\n", kept)
	}
	return nil
}

func diffCommand() *cobra.Command {
	return exerciseCommand(cobra.Command{
		Use: "diff [STAGE/EXERCISE]", Short: "compare your solution with ours", Args: cobra.MaximumNArgs(1),
		Long: "Shows how your file differs from the reference, once the exercise is solved.",
	}, func(c *cobra.Command, root string, progress exercise.Progress, args []string) error {
		e, err := one(args, progress)
		if err != nil {
			return err
		}
		if progress[e.ID()].Solved.IsZero() && !progress[e.ID()].Peeked {
			return failure{fmt.Errorf("%s is not solved yet, and the difference would show the solution: go run ./lessons check %s", e.ID(), e.ID())}
		}
		mine, err := exercise.Read(root, e)
		if err != nil {
			return failure{err}
		}
		reference, err := os.ReadFile(filepath.Join(root, e.Reference()))
		if err != nil {
			return failure{err}
		}
		d := diff.Diff(e.File, mine, e.Reference(), exercise.Solution(reference))
		if len(d) == 0 {
			fmt.Fprintf(c.OutOrStdout(), "%s is identical to the reference\n", e.File)
			return nil
		}
		_, err = c.OutOrStdout().Write(d)
		return err
	})
}
