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
		Use: "break STAGE/STEP", Short: "run a step with the change that breaks it", Args: cobra.ExactArgs(1),
		Long: "Shows the change that the lesson describes under \"Break it\", and runs the step with it.\n" +
			"Your files stay as they are: the compiler reads changed copies. To break it yourself,\n" +
			"change the file and run the step.\n" +
			"Exit status: 1, because a claim is then false.",
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
	c.Flags().BoolVar(&quiet, "quiet", false, "print only the claims of the step")
	return c
}

// showChanges prints the diff in color.
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
