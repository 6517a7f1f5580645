package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"containerkit/lessons/author/breaks"
)

func breakCommand() *cobra.Command {
	var quiet bool
	c := &cobra.Command{
		Use: "break STAGE/STEP", Short: "run a step with what its lesson tells to break", Args: cobra.ExactArgs(1),
		Long: "Shows the change that a lesson tells under \"Break it\", and runs the step with it. Your\n" +
			"files stay as they are: the compiler is given the changed ones beside them. To break\n" +
			"it with your own hands, change the file and run the step.\n" +
			"Exit status: 1, for then a claim does not hold.",
		Example: "  go run ./lessons break 02-namespaces/pid\n  go run ./lessons break -quiet uts",
		RunE: func(c *cobra.Command, args []string) error {
			root, err := kit()
			if err != nil {
				return failure{err}
			}
			b, err := breaks.Find(root, args[0])
			if err != nil {
				return err
			}
			if !quiet {
				showChanges(c.OutOrStdout(), b)
			}
			return runBreak(c, root, b, quiet)
		},
	}
	c.Flags().BoolVar(&quiet, "quiet", false, "what the step claims, and no other word")
	return c
}

// showChanges prints the diff, in the colours of diffs.
func showChanges(w io.Writer, b breaks.Break) {
	paint := map[byte]*color.Color{'-': color.New(color.FgRed), '+': color.New(color.FgGreen)}
	for _, change := range b.Changes {
		for i, line := range strings.Split(strings.TrimSuffix(change.Diff, "\n"), "\n") {
			if i == 0 || line == "" || paint[line[0]] == nil {
				fmt.Fprintln(w, line)
				continue
			}
			paint[line[0]].Fprintln(w, line)
		}
	}
}
