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

// checkProc has nothing to check: nothing of the kit runs on this system.
func checkProc() error { return nil }

// sweep has nothing to do: nothing of the kit runs on this system.
func sweep() ([]string, error) { return nil, nil }

// watchCommand refuses, as all commands about exercises do here.
func watchCommand() *cobra.Command {
	return exerciseCommand(cobra.Command{Use: "watch", Short: "the exercises one by one, checked whenever you save"}, nil)
}

// checkpointCount is the number of checkpoints of the chapter first, which are for Linux only.
const checkpointCount = 0

func checkpoints(context.Context, io.Writer, string, []string) (asked bool, err error) {
	return false, nil
}

func verifyInVM(context.Context, string, io.Writer, io.Writer) error {
	return fmt.Errorf("verify -profile vm starts its virtual machine on Linux; this is %s", runtime.GOOS)
}

func tryExercises(*cobra.Command, string, []exercise.Exercise) ([]string, error) {
	return nil, onLinux()
}

func runBreak(*cobra.Command, string, breaks.Break, bool) error {
	return failure{fmt.Errorf("steps run on Linux, and this is %s: go run ./lessons vm starts a machine for them", runtime.GOOS)}
}
