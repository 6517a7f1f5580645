//go:build !linux

package main

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"containerkit/lessons/author/breaks"
	"containerkit/lessons/exercise"
)

func initChildren() {}

// checkProc has nothing to check: containerkit runs nothing on this system.
func checkProc() error { return nil }

// sweep has nothing to do: containerkit runs nothing on this system.
func sweep() ([]string, error) { return nil, nil }

// watchCommand returns an error, as all commands about exercises do here.
func watchCommand() *cobra.Command {
	return exerciseCommand(cobra.Command{Use: "watch", Short: "show the exercises one by one, and check whenever you save"}, nil)
}

// checkpointCount counts the checkpoints of the chapter first, which need Linux.
const checkpointCount = 0

func checkpoints(context.Context, io.Writer, string, []string) (asked bool, err error) {
	return false, nil
}

func verifyInVM(context.Context, string, io.Writer, io.Writer) error {
	return fmt.Errorf("verify -profile vm needs Linux, and this is %s", runtime.GOOS)
}

func tryExercises(*cobra.Command, string, []exercise.Exercise) ([]string, error) {
	return nil, onLinux()
}

func runBreak(*cobra.Command, string, breaks.Break, bool) error {
	return failure{fmt.Errorf("steps need Linux, and this is %s; to get a Linux machine: go run ./lessons vm", runtime.GOOS)}
}
