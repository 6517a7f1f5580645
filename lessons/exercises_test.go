//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/exercise"
)

// newKit copies containerkit as it is shipped, and makes the copy the test's working directory.
func newKit(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, exercise.Copy("..", dir))
	require.NoError(t, exercise.Pristine(dir))
	t.Chdir(dir)
	return dir
}

// TestUpdate checks that an update of the course changes the moved packages in a learner's files,
// once.
func TestUpdate(t *testing.T) {
	kit := newKit(t)
	const file = "02-namespaces/namespace/hostname_mine.go"
	shipped, err := os.ReadFile(filepath.Join(kit, file))
	require.NoError(t, err)
	old := strings.Replace(string(shipped), "containerkit/lessons/kit/todo", "containerkit/lessons/todo", 1)
	require.NotEqual(t, string(shipped), old)
	require.NoError(t, os.WriteFile(filepath.Join(kit, file), []byte(old), 0o644))

	status, out, errs := lessons("check", "-json", "02-namespaces/hostname")
	require.Equal(t, 1, status)
	require.Equal(t, "packages have moved; changed the imports or the package clause of hostname_mine.go\n", errs)
	var results []checked
	require.NoError(t, json.Unmarshal([]byte(out), &results))
	require.Equal(t, exercise.Unsolved, results[0].Outcome)
	now, err := os.ReadFile(filepath.Join(kit, file))
	require.NoError(t, err)
	require.Equal(t, string(shipped), string(now))

	_, _, errs = lessons("check", "-json", "02-namespaces/hostname")
	require.Empty(t, errs)
}

// TestCheckOfAHalfSolvedKit shows the states of a learner who solved one exercise, tried another
// and left the rest.
func TestCheckOfAHalfSolvedKit(t *testing.T) {
	kit := newKit(t)
	status, out, errs := lessons("check", "02-namespaces/hostname")
	require.Equal(t, 1, status, errs)
	require.Contains(t, out, "write 02-namespaces/namespace/hostname_mine.go")
	require.Contains(t, out, "go run ./lessons hint")

	find := func(id string) exercise.Exercise {
		list, err := exercise.Find(id)
		require.NoError(t, err)
		return list[0]
	}
	solve := func(id string) {
		e := find(id)
		reference, err := os.ReadFile(filepath.Join(kit, e.Reference()))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(kit, e.File), exercise.Solution(reference), 0o644))
	}
	solve("02-namespaces/hostname")
	status, out, errs = lessons("check", "02-namespaces/hostname")
	require.Zero(t, status, out+errs)
	require.Contains(t, out, "✓ 02-namespaces/hostname")
	require.Contains(t, out, "next: 01-cgroups/limit, in 01-cgroups/cgroup/write_mine.go")

	cases, err := exercise.WrongSolutions(kit, find("02-namespaces/private"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(kit, find("02-namespaces/private").File), cases[0].Text, 0o644))
	status, out, _ = lessons("check", "-json", "02-namespaces")
	require.Equal(t, 1, status)
	var results []checked
	require.NoError(t, json.Unmarshal([]byte(out), &results))
	outcomes := map[string]exercise.Outcome{}
	for _, r := range results {
		outcomes[r.ID] = r.Outcome
	}
	require.Equal(t, exercise.Solved, outcomes["02-namespaces/hostname"])
	require.Equal(t, exercise.Failed, outcomes["02-namespaces/private"])
	require.Equal(t, exercise.Unsolved, outcomes["02-namespaces/idmap"])
	wrong := results[slices.IndexFunc(results, func(c checked) bool { return c.ID == "02-namespaces/private" })]
	require.NotEmpty(t, wrong.Claim)
	require.NotEmpty(t, wrong.Say)

	status, out, _ = lessons("check", "-all")
	require.Equal(t, 1, status)
	require.Contains(t, out, "✓ 02-namespaces/hostname")
	require.Contains(t, out, "✗ 02-namespaces/private")
	require.Contains(t, out, "· 02-namespaces/idmap")
	for line := range strings.Lines(out) {
		require.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), 80, line)
	}

	// The solution is only for learners who have solved the exercise.
	status, _, errs = lessons("solution", "02-namespaces/idmap")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "not solved yet")
	status, _, errs = lessons("diff", "02-namespaces/idmap")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "not solved yet")
	status, out, _ = lessons("solution", "02-namespaces/hostname")
	require.Zero(t, status)
	require.Contains(t, out, "func SetHostname")
	status, out, _ = lessons("diff", "02-namespaces/hostname")
	require.Zero(t, status)
	require.Contains(t, out, "identical")

	// Hand in, and print the teacher's table.
	status, out, errs = lessons("report", "-name", "Ada Lovelace", "-o", "ada.json")
	require.Zero(t, status, errs)
	require.Contains(t, out, "1 of ")
	status, out, errs = lessons("class", ".")
	require.Zero(t, status, errs)
	require.Contains(t, out, "Ada Lovelace")
	require.Contains(t, out, "1/6")
	require.NoError(t, os.WriteFile("nameless.json", []byte(`{"containerkit":"report 1"}`), 0o644))
	status, out, errs = lessons("class", ".")
	require.Zero(t, status, errs)
	require.Contains(t, out, "nameless ")
	require.NoError(t, os.WriteFile("other.json", []byte(`{"a":1}`), 0o644))
	status, out, errs = lessons("class", ".")
	require.Equal(t, 1, status)
	require.Contains(t, out, "Ada Lovelace")
	require.Contains(t, errs, "other.json is not what")

	// After a reset the mistake is kept, and the file is as shipped.
	status, out, _ = lessons("reset", "02-namespaces/private")
	require.Zero(t, status)
	require.Contains(t, out, "is kept in .mine/copies/")
	status, _, errs = lessons("check", "02-namespaces/privat")
	require.Equal(t, 2, status)
	require.Contains(t, errs, `did you mean "02-namespaces/private"`)
}

// TestCheckOfASolvedKit checks a solved stage, and the message when every exercise is solved.
func TestCheckOfASolvedKit(t *testing.T) {
	kit := newKit(t)
	require.NoError(t, exercise.Solve(kit))
	status, out, errs := lessons("check", "02-namespaces")
	require.Zero(t, status, out+errs)
	require.Contains(t, out, "6 of 6 solved\n")
	require.NotContains(t, out, "your own container", "a stage is not the whole")

	var all []checked
	for _, e := range exercise.All() {
		all = append(all, show(exercise.Result{Exercise: e, Outcome: exercise.Solved}))
	}
	var said strings.Builder
	sum(&said, all)
	require.Equal(t, fmt.Sprintf("%[1]d of %[1]d solved\nrun your own container: go run -tags mine ./05-full\n", len(all)), said.String())
	all[0].Outcome = exercise.Broken
	said.Reset()
	sum(&said, all)
	require.Equal(t, fmt.Sprintf("%d of %d solved, 1 broken\n", len(all)-1, len(all)), said.String())
}

// TestCommandsNeedTheCheckout checks that outside of the checkout a command prints one error.
func TestCommandsNeedTheCheckout(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, command := range []string{"check", "verify", "lint", "read"} {
		status, out, errs := lessons(command)
		require.Equal(t, 1, status, command)
		require.Empty(t, out, command)
		require.Equal(t, "lessons: this command works on the files of the course: "+
			"run it in the checkout, where go.mod is\n", errs, command)
	}
}

// TestClassOfDirectory checks that the name of a directory of reports is not a pattern.
func TestClassOfDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("[a]", 0o755))
	require.NoError(t, os.WriteFile("[a]/r.json", []byte(`{"containerkit":"report 1","learner":"Ada"}`), 0o644))
	status, out, errs := lessons("class", "[a]")
	require.Zero(t, status, errs)
	require.Contains(t, out, "Ada")
	for dir, says := range map[string]string{"[b]": "no such file or directory", "[a]/r.json": "not a directory", ".": "no .json file"} {
		status, _, errs := lessons("class", dir)
		require.Equal(t, 1, status, dir)
		require.Contains(t, errs, says, dir)
	}
}
