package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"

	"containerkit/lessons/author/breaks"
	"containerkit/lessons/kit/scratch"
	"containerkit/lessons/kit/stage"
)

// runBreak builds the step with the change, and runs it. It prints only what the step prints.
func runBreak(c *cobra.Command, root string, b breaks.Break, quiet bool) (err error) {
	dir, err := scratch.New()
	if err != nil {
		return failure{err}
	}
	defer func() {
		if left := dir.Remove(); left != nil {
			err = errors.Join(err, failure{left})
		}
	}()
	program, refused, err := b.Build(root, dir.Path)
	if err != nil {
		return failure{err}
	}
	if program == "" {
		fmt.Fprint(c.OutOrStdout(), refused)
		return errSaid
	}
	var flags []string
	if quiet {
		flags = []string{"-quiet"}
	}
	// Ctrl-C is for the step: it cleans up first, and then this process does.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	defer signal.Stop(signals)
	run := b.Command(c.Context(), program, flags...)
	run.Stdin, run.Stdout, run.Stderr = os.Stdin, c.OutOrStdout(), c.ErrOrStderr()
	if err := run.Run(); run.ProcessState == nil {
		return failure{fmt.Errorf("run the step: %w", err)}
	}
	if status := stage.Status(run.ProcessState); status != 0 {
		return statusError(status)
	}
	return nil
}
