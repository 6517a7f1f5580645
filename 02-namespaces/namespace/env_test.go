//go:build linux

package namespace

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program gets one entry for each variable, as with os/exec.
func TestOfTwoEntriesForAVariableTheLastCounts(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	p, err := Start(Program{Path: "/bin/cat", Args: []string{"cat", "/proc/self/environ"},
		Env:   []string{"A=1", "B=", "A=2", "no variable", "AA=3", "A=", "B=4", "no variable"},
		Files: []*os.File{os.Stdin, w, os.Stderr}}, Birth{})
	w.Close()
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Zero(t, wait(t, p).ExitStatus())
	require.Equal(t, []string{"no variable", "AA=3", "A=", "B=4", "no variable"},
		strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"))
}
