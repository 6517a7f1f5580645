// Lessons is the course's command: it lists the course, checks the machine, runs the checks, and
// cleans up.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"containerkit/lessons/author/verify"
	"containerkit/lessons/doctor"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
)

func main() {
	initChildren()
	out := io.Writer(narrate.Stdout)
	if term.IsTerminal(1) {
		out = os.Stdout // for programs that we start and that check whether it is a terminal
	}
	status := run(os.Args[1:], out, os.Stderr)
	if err := narrate.Stdout.Err(); err != nil {
		fmt.Fprintf(os.Stderr, "lessons: %v\n", err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// A failure is an error of the work, not of the command line. Its text may be empty if all was
// said.
type failure struct{ error }

var errSaid = failure{errors.New("")}

func run(args []string, out, errs io.Writer) int {
	root := commands()
	root.SetArgs(oneDash(args))
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(context.Background())
	var failed failure
	var status statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &failed):
		if err != errSaid {
			fmt.Fprintf(errs, "lessons: %v\n", err)
			if why := errno.Explain(err); why != "" {
				fmt.Fprintf(errs, "  %s\n", why)
			}
		}
		return 1
	}
	text := jargon.ReplaceAllString(err.Error(), "")
	fmt.Fprintf(errs, "lessons: %s\ntry: go run ./lessons -h\n", text)
	return 2
}

// jargon matches what strconv says about itself in an error about a flag.
var jargon = regexp.MustCompile(`strconv\.Parse\w+: parsing ".*": `)

// oneDash accepts flags with one dash, as the stages' flags are written: -profile is --profile.
func oneDash(args []string) []string {
	args = slices.Clone(args)
	for i, a := range args {
		if a == "--" || i == 0 && a == "map" {
			break // what follows belongs to another program
		}
		if len(a) > 2 && a[0] == '-' && a[1] != '-' {
			args[i] = "-" + a
		}
	}
	return args
}

func commands() *cobra.Command {
	root := &cobra.Command{
		Use:   "lessons",
		Short: "list the course",
		Long: "Build a Linux container, one kernel feature at a time.\n" +
			"Without a command, lists every stage and step with its claim, and how to run it.\n" +
			"Flags work with one dash or two.",
		Example: "  go run ./lessons                     what is in the course\n" +
			"  go run ./lessons doctor              can this machine run it?\n" +
			"  go run ./lessons verify              do its claims hold here?\n" +
			"  go run ./02-namespaces pid           run a step",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "go run ./lessons"},
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              func(c *cobra.Command, _ []string) error { return glance(c.OutOrStdout()) },
		PersistentPreRunE: checkFirst,
	}
	root.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknown(args[0], c.Commands())
	}
	root.SetHelpCommand(helpCommand())
	root.AddCommand(doctorCommand(), verifyCommand(), vmCommand(), cleanCommand(), compareCommand(), mapCommand(), lintCommand(), breakCommand(), readCommand())
	root.AddCommand(exerciseCommands()...)
	root.InitDefaultHelpFlag()
	return root
}

// looking are the commands that also run where /proc belongs to another PID namespace: they only
// print, and the doctor says what to do.
var looking = []string{"lessons", "doctor", "help", "map", "read"}

// checkFirst stops every other command there. It would act on processes of another PID namespace,
// or start a step that does.
func checkFirst(c *cobra.Command, _ []string) error {
	if slices.Contains(looking, c.Name()) {
		return nil
	}
	if err := checkProc(); err != nil {
		return failure{err}
	}
	return nil
}

// helpCommand is for users who type help instead of -h.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "show how to use a command, as COMMAND -h does", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return unknown(rest[0], c.Root().Commands())
			}
			return about.Help()
		},
	}
}

// unknown returns the error for a command that does not exist. It names the nearest one.
func unknown(name string, commands []*cobra.Command) error {
	if slices.ContainsFunc(course.Stages, func(s course.Stage) bool { return s.Dir == strings.Trim(name, "./") }) {
		return fmt.Errorf("%s is a stage, with its own program: go run ./%s", name, strings.Trim(name, "./"))
	}
	best := ""
	for _, c := range commands {
		if !c.Hidden && (best == "" || levenshtein.ComputeDistance(name, c.Name()) < levenshtein.ComputeDistance(name, best)) {
			best = c.Name()
		}
	}
	if levenshtein.ComputeDistance(name, best) > min(2, len(name)/2) {
		return fmt.Errorf("no command %q", name)
	}
	return fmt.Errorf("no command %q; did you mean %q?", name, best)
}

// glance prints the table of contents.
func glance(w io.Writer) error {
	fmt.Fprintln(w, "Build a Linux container, one kernel feature at a time.")
	for _, s := range course.Stages {
		fmt.Fprintf(w, "\n%s  %s\n", s.Dir, s.Title)
		for _, step := range s.Steps {
			fill(w, fmt.Sprintf("  %-10s ", step.Name), step.Claim)
		}
	}
	fmt.Fprint(w, `
how to run it
  go run ./02-namespaces                 the steps of a stage, in order
  go run ./02-namespaces pid             one step; then open the file it names
  go run ./02-namespaces -- sh           a command in the container at stage 02
  go run ./02-namespaces -pause          for a class: wait before each result
  go run ./02-namespaces -v pid          print also Go calls and details
  go run ./02-namespaces -h              everything else
  go run -exec sudo ./01-cgroups         as root, built as yourself
  go run ./lessons read                  the lessons and the book
  go run ./lessons break pid             run a step with a change that breaks it
to write your own
  go run ./lessons watch                 exercises, checked whenever you save
  go run ./lessons check                 is the exercise solved? (check -all)
  go run -tags mine ./05-full            run the container made of your code
before the first lesson
  go run ./lessons doctor                what this machine can do
  go run ./lessons vm                    a VM that can run all of it
to compare
  go run ./lessons compare               measure processes, containers and a VM
to look things up
  go run ./lessons map --memory          what is behind a flag of docker
afterwards
  go run ./lessons clean                 remove what killed runs left behind
`)
	return nil
}

// columns is the width of a line.
var columns = 80

// fill prints text after a label, and breaks its lines at these columns.
func fill(w io.Writer, label, text string) {
	line, at := label, len(label)
	for _, word := range strings.Fields(text) {
		if n := len([]rune(word)); at > len(label) && at+n > columns {
			fmt.Fprintln(w, strings.TrimRight(line, " "))
			line, at = strings.Repeat(" ", len(label)), len(label)
		}
		line, at = line+word+" ", at+len([]rune(word))+1
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

func doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "doctor", Short: "show what this machine can do, and how to fix the rest", Args: cobra.NoArgs,
		Long: "Tries every feature that the course needs, in child processes that change nothing\n" +
			"on this machine. Prints what works, what does not and how to fix it, and which\n" +
			"steps will not run. Run it as the user who will run the lessons: root can get\n" +
			"different answers.",
		RunE: func(c *cobra.Command, _ []string) error {
			r := doctor.Examine()
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				return enc.Encode(r)
			}
			r.Write(c.OutOrStdout())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as one JSON object")
	return c
}

func verifyCommand() *cobra.Command {
	var profile, from string
	var engine string
	c := &cobra.Command{
		Use: "verify", Short: "run all tests, and report what they proved", Args: cobra.NoArgs,
		Long: "Runs go test -count=1 -json ./... as the current user, and prints for every\n" +
			"feature whether a test proved it, was skipped and why, or failed. Fails if\n" +
			"something that the profile promises was not proved: go test alone says ok for a\n" +
			"package whose tests were all skipped.\n" +
			"-profile vm compiles the stages' tests here and runs them in a virtual machine with\n" +
			"only cgroup v2, as root and as an ordinary user. There no test may skip.",
		RunE: func(c *cobra.Command, _ []string) error {
			uid := os.Geteuid()
			if c.Flags().Changed("from") && from == "" {
				return errors.New("-from needs a file name")
			}
			if !slices.Contains([]string{"auto", "qemu", "uml"}, engine) {
				return fmt.Errorf("-engine %q: want auto, qemu or uml", engine)
			}
			if from != "" {
				uid = -1 // the user that ran them is unknown
				if profile == "" {
					return errors.New("-from needs a -profile: the file does not say as which user the tests ran")
				}
			}
			if profile == verify.VM.Name && from == "" {
				err := verifyInVM(c.Context(), engine, c.OutOrStdout(), c.ErrOrStderr())
				if err != nil && err != errSaid {
					return failure{err}
				}
				return err
			}
			p, err := verify.Choose(profile, uid)
			if err != nil {
				return err
			}
			r, err := results(from, c.ErrOrStderr())
			if err != nil {
				return failure{err}
			}
			v := verify.Judge(r, p)
			v.Write(c.OutOrStdout())
			if !v.OK() {
				return errSaid
			}
			return nil
		},
	}
	c.Flags().StringVar(&profile, "profile", "", "what to expect: user, root or vm (default: the current user's)")
	c.Flags().StringVar(&engine, "engine", "auto", "engine of the virtual machine: auto, qemu or uml")
	c.Flags().StringVar(&from, "from", "", "judge the saved output of go test -count=1 -json instead")
	return c
}

// results runs the tests, or reads the output of a run. It writes each finished package to
// progress.
func results(from string, progress io.Writer) (*verify.Run, error) {
	tell := func(line string) { fmt.Fprintln(progress, line) }
	if from != "" {
		f, err := os.Open(from)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return verify.Read(f, nil)
	}
	root, err := kit()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "test", "-count=1", "-json", "./...")
	cmd.Dir = root
	cmd.Stderr = progress
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r, err := verify.Read(out, tell)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	// Its status is 1 if a test failed, which the verdict says better. But a run without any test
	// is an error.
	if err := cmd.Wait(); err != nil && len(r.Tests) == 0 {
		return nil, fmt.Errorf("go test: %w", err)
	}
	return r, nil
}

func cleanCommand() *cobra.Command {
	return &cobra.Command{
		Use: "clean", Short: "remove what killed runs left behind", Args: cobra.NoArgs,
		Long: "Removes cgroups below one named containerkit, and temporary directories named\n" +
			"containerkit-*, if their owner has exited, and kills the processes in those cgroups.\n" +
			"Removes the cgroup containerkit-byhand after an hour. Leaves running programs\n" +
			"alone. (The kernel removes mounts, links and rules with the namespaces they are\n" +
			"in.) Run it as the user who started the killed runs.",
		RunE: func(c *cobra.Command, _ []string) error {
			removed, err := sweep()
			for _, path := range removed {
				fmt.Fprintf(c.OutOrStdout(), "removed %s\n", path)
			}
			if err != nil {
				return failure{err}
			}
			if len(removed) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "nothing was left behind")
			}
			return nil
		},
	}
}
