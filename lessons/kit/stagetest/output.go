//go:build linux

package stagetest

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FullOutput checks that the program exits with 1 and an error of one line if its output is lost,
// as on a full disk (full(4)).
func FullOutput(t *testing.T, commands ...string) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	for _, command := range commands {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		cmd := Me().Command(ctx, strings.Fields(command)...)
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &errs
		require.Error(t, cmd.Run(), command)
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s: %s", command, &errs)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
		require.Contains(t, errs.String(), "write /dev/stdout: no space left on device", command)
	}
}
