//go:build linux

package stagetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TemporaryDirectory checks the effect of an unusable $TMPDIR: a command, which does not need it,
// runs and prints nothing about it; and step, which needs it, names it in one line.
func TemporaryDirectory(t *testing.T, step string) {
	each(t, func(t *testing.T, r *Runner) {
		dir := temporary(t)
		file := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(file, nil, 0o644))
		closed := filepath.Join(dir, "closed")
		require.NoError(t, os.Mkdir(closed, 0))
		for _, path := range []string{filepath.Join(dir, "missing"), file, closed} {
			r.Env = []string{"TMPDIR=" + path}
			res := r.Run(t, "-quiet", "--", "true")
			require.Zero(t, res.Status, "%s: %s", path, res.Stderr)
			require.Empty(t, res.Stderr, path)
			if path == closed {
				continue // root can use it
			}
			res = r.Run(t, "-quiet", step)
			require.Equal(t, 1, res.Status, "%s: %s%s", path, res.Stdout, res.Stderr)
			require.Equal(t, 1, strings.Count(res.Stdout+res.Stderr, path), res.Stdout+res.Stderr)
			require.Contains(t, res.Stdout, "TMPDIR="+path)
		}
	})
}

// UnusualTemporaryDirectory checks that the step runs with a $TMPDIR that is relative, and with one
// that has a space in its name.
func UnusualTemporaryDirectory(t *testing.T, step string) {
	each(t, func(t *testing.T, r *Runner) {
		dir := filepath.Join(temporary(t), "a space")
		require.NoError(t, os.Mkdir(dir, 0o755))
		require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky))
		base := r.home
		if base == "" {
			base = t.TempDir()
			t.Chdir(base)
		}
		relative, err := filepath.Rel(base, dir)
		require.NoError(t, err)
		for _, path := range []string{dir, relative} {
			r.Env = []string{"TMPDIR=" + path}
			res := r.Run(t, "-quiet", step)
			require.Zero(t, res.Status, "%s: %s%s", path, res.Stdout, res.Stderr)
		}
	})
}

// temporary returns a directory that every user can enter.
func temporary(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return dir
}
