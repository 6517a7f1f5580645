//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/author/lint"
	"containerkit/lessons/exercise"
)

// TestTheCourseIsWhole checks the lessons, links and commands of the course.
func TestTheCourseIsWhole(t *testing.T) {
	require.Empty(t, problemsOf(t, ".."))
}

// problemsOf returns the problems of the course, except in files that a learner has changed.
func problemsOf(t *testing.T, kit string) []lint.Problem {
	problems, err := lintKit(kit).Check()
	require.NoError(t, err)
	return slices.DeleteFunc(problems, func(p lint.Problem) bool {
		return slices.ContainsFunc(exercise.All(), func(e exercise.Exercise) bool {
			return p.File == e.File && exercise.Written(kit, e)
		})
	})
}

// TestTheCourseIsWholeForALearner checks that solved exercises are no problem, but a stale unsolved
// file is.
func TestTheCourseIsWholeForALearner(t *testing.T) {
	kit := newKit(t)
	require.NoError(t, exercise.Solve(kit))
	require.Empty(t, problemsOf(t, kit))
	require.NoError(t, exercise.Pristine(kit))
	e := exercise.All()[0]
	stub, err := os.ReadFile(filepath.Join(kit, e.File))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(kit, e.File), append(stub, "// stale\n"...), 0o644))
	require.Len(t, problemsOf(t, kit), 1)
}

// TestLintFix checks that a problem is reported with its place, and that -fix rewrites the file and
// keeps the old version.
func TestLintFix(t *testing.T) {
	kit := t.TempDir()
	require.NoError(t, exercise.Copy("..", kit))
	require.NoError(t, exercise.Pristine(kit))
	e := exercise.All()[0]
	mine := filepath.Join(kit, e.File)
	stub, err := os.ReadFile(mine)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(mine, []byte("// my thoughts\n"), 0o644))
	require.NoError(t, os.Remove(filepath.Join(kit, exercise.All()[1].File)))

	var out strings.Builder
	require.NoError(t, fixStubs(&out, kit))
	require.Equal(t, 2, strings.Count(out.String(), "wrote "), out.String())
	now, err := os.ReadFile(mine)
	require.NoError(t, err)
	require.Equal(t, string(stub), string(now))
	kept, err := filepath.Glob(filepath.Join(kit, exercise.Room, "copies/*"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.Contains(t, out.String(), filepath.Base(kept[0]))

	out.Reset()
	require.NoError(t, fixStubs(&out, kit))
	require.Empty(t, out.String(), "nothing to fix")
}

func TestLintTakesNamesOnlyToTry(t *testing.T) {
	status, _, errs := lessons("lint", "03-rootfs")
	require.Equal(t, 2, status)
	require.Contains(t, errs, "only -exercises takes names")
	status, _, errs = lessons("lint", "-exercises", "pivto")
	require.Equal(t, 2, status)
	require.Contains(t, errs, `did you mean "03-rootfs/pivot"`)
}
