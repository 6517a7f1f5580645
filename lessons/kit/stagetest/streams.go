//go:build linux

package stagetest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Streams checks that a command can open its standard streams again if they are pipes, whatever UID
// root in the container has on the host. A shell of the user creates the pipes.
func Streams(t *testing.T) {
	each(t, func(t *testing.T, r *Runner) {
		program, err := filepath.EvalSymlinks(r.path) // the shell's /proc/self/exe is the shell
		require.NoError(t, err)
		out, err := r.shell(t, `echo in | "$1" -quiet -- \
			sh -c 'echo out >/dev/stdout && echo err >/dev/stderr && cat /dev/stdin' 2>&1 | cat`, program)
		require.NoError(t, err, out)
		require.Equal(t, "out\nerr\nin", out)
	})
}
