package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"containerkit/lessons/exercise"
	"containerkit/lessons/kit/scratch"
)

// tryExercises tries the exercises in a copy of containerkit, which is removed when this process
// exits.
func tryExercises(c *cobra.Command, root string, list []exercise.Exercise) (wrong []string, err error) {
	ctx, stop := interruptible(c.Context())
	defer stop()
	dir, err := scratch.New()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Remove()) }()
	if err := exercise.Copy(root, dir.Path); err != nil {
		return nil, err
	}
	if err := exercise.Pristine(dir.Path); err != nil {
		return nil, err
	}
	wrong, err = exercise.Prove(ctx, dir.Path, list, func(line string) { fmt.Fprintln(c.OutOrStdout(), line) })
	for _, w := range wrong {
		fmt.Fprintln(c.OutOrStdout(), strings.TrimSpace(w))
	}
	return wrong, err
}
