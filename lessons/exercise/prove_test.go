package exercise

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each exercise is unsolved as shipped, each wrong solution gets its diagnosis, and the reference
// passes. The whole collection takes minutes, so the test tries one exercise by default. Set
// CONTAINERKIT_EXERCISES to all, to the name of an exercise, or to first, which tries all exercises
// with only the first of their wrong solutions.
func TestCollection(t *testing.T) {
	names := []string{"03-rootfs/pivot"}
	asked := os.Getenv("CONTAINERKIT_EXERCISES")
	switch asked {
	case "":
	case "all", "first":
		names = nil
	default:
		names = []string{asked}
	}
	list, err := Find(names...)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, Copy(root, dir))
	require.NoError(t, Pristine(dir))
	if asked == "first" {
		for _, e := range list {
			keepFirst(t, filepath.Join(dir, WrongDir, e.Stage, e.Name))
		}
	}
	problems, err := Prove(t.Context(), dir, list, func(line string) { t.Log(line) })
	require.NoError(t, err)
	require.Empty(t, problems)
}

// keepFirst removes all wrong solutions of an exercise except the first.
func keepFirst(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries[1:] {
		require.NoError(t, os.Remove(filepath.Join(dir, e.Name())))
	}
}

// Prove finds the problem of an exercise, whichever of its promises is broken.
func TestProveFindsWhatIsBroken(t *testing.T) {
	list, err := Find("02-namespaces/hostname")
	require.NoError(t, err)
	e := list[0]
	reference, err := os.ReadFile(filepath.Join(root, e.Reference()))
	require.NoError(t, err)
	const none = "//go:build linux && !mine\n\npackage namespace\n\n// SetHostname does nothing.\nfunc SetHostname(name string) error { return nil }\n"
	prove := func(e Exercise, files map[string]string) string {
		dir := t.TempDir()
		require.NoError(t, Copy(root, dir))
		require.NoError(t, Pristine(dir))
		cases := filepath.Join(dir, WrongDir, e.Stage, e.Name)
		require.NoError(t, os.RemoveAll(cases))
		require.NoError(t, os.MkdirAll(cases, 0o755))
		for name, text := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
		problems, err := Prove(t.Context(), dir, []Exercise{e}, func(line string) { t.Log(line) })
		require.NoError(t, err)
		return strings.Join(problems, "\n")
	}
	wrong := func(name, text string) (string, string) {
		return filepath.Join(WrongDir, e.Stage, e.Name, name), text
	}

	solved := t.TempDir()
	require.NoError(t, Copy(root, solved))
	require.NoError(t, Solve(solved))
	if r, err := Check(t.Context(), solved, e); err == nil && r.Outcome == Unchecked {
		t.Skip("the exercise cannot be checked here: " + r.Reason)
	}
	name, text := wrong("right.go", "// diagnosis: none\n\n"+string(Solution(reference)))
	require.Contains(t, prove(e, map[string]string{name: text}), "right.go: solved with diagnosis none")

	name, text = wrong("nothing.go", "// diagnosis: another\n\n"+string(Solution([]byte(none))))
	said := prove(e, map[string]string{name: text, e.Reference(): none})
	require.Contains(t, said, "want failed with another")
	require.Contains(t, said, e.Reference()+": the reference is \"failed\"")

	e.Run = "^TestSetString$" // tests that do not use SetHostname: the unsolved file passes them
	said = prove(e, nil)
	require.Contains(t, said, `the unsolved file gives "solved", want "unsolved"`)
	require.Contains(t, said, e.ID()+" has no wrong solution")
}

// With every exercise solved, the learner's container proves the same as ours. With one unsolved,
// it prints one line that names the exercise.
func TestOwnContainer(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, Copy(root, dir))
	require.NoError(t, Solve(dir))
	build := func(name, stage string, tags ...string) string {
		path := filepath.Join(dir, name)
		cmd := exec.Command("go", append(append([]string{"build", "-o", path}, tags...), "./"+stage)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return path
	}
	proofs := func(program string) (list []string) {
		out, err := exec.Command(program, "-json").Output()
		require.NoError(t, err, "%s", out)
		for line := range bytes.Lines(out) {
			var e struct {
				Step, Kind, Text string
				OK               bool
			}
			require.NoError(t, json.Unmarshal(line, &e), "%s", line)
			if e.Kind == "proof" || e.Kind == "leak" {
				list = append(list, fmt.Sprint(e.Step, ": ", e.Text, " ", e.OK))
			}
		}
		return list
	}
	ours := proofs(build("ours", "05-full"))
	require.NotEmpty(t, ours)
	mine := proofs(build("mine", "05-full", "-tags=mine"))
	// On a busy machine the leak table can't measure this row, and leaves it out.
	cpu := func(row string) bool { return strings.Contains(row, "use every CPU") }
	if !slices.ContainsFunc(ours, cpu) || !slices.ContainsFunc(mine, cpu) {
		ours, mine = slices.DeleteFunc(ours, cpu), slices.DeleteFunc(mine, cpu)
	}
	require.Equal(t, ours, mine)

	all := All()
	if os.Getenv("CONTAINERKIT_EXERCISES") == "" {
		all = slices.DeleteFunc(all, func(e Exercise) bool { return e.Name != "pivot" && e.Name != "hostname" && e.Name != "reaper" })
	}
	for _, e := range all {
		if slices.Contains([]string{"02-namespaces/setns", "01-cgroups/stop", "03-rootfs/whiteout", "04-network/publish"}, e.ID()) {
			continue // stage 05's container runs a command without these
		}
		stage, args := "05-full", []string{"-quiet", "--", "true"}
		if e.Stage == "04-network" {
			args = slices.Concat([]string{"-network", "bridge"}, args)
		}
		stub, err := Shipped(dir, e)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, e.File), stub, 0o644))
		out, err := exec.Command(build("unsolved", stage, "-tags=mine"), args...).CombinedOutput()
		if e.Stage == "01-cgroups" && err == nil {
			continue // this user has no cgroups here: the container ran without limits
		}
		require.Error(t, err, e.ID())
		said := strings.TrimSpace(string(out))
		require.Contains(t, said, "exercise "+e.ID()+" is not solved yet")
		require.NotContains(t, said, "\n", "one line")
		require.NotContains(t, said, "goroutine")
		reference, err := os.ReadFile(filepath.Join(dir, e.Reference()))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, e.File), Solution(reference), 0o644))
	}
}
