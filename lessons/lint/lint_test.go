package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/course"
	"containerkit/lessons/exercise"
)

// A small course that is as it should be.
var good = map[string]string{
	"README.md": "# The kit\n\nSee [the stage](01-a/README.md#first) and `go run ./01-a -quiet first`.\n\n    go run ./lessons check -all    everything\n    go run ./01-a first            one step; not: second\n    go run ./01-a -- sh            a shell\n",
	"01-a/README.md": "# A\n\n## first\n\n```console\n$ go run ./01-a first\nyes\n```\n\n**Break it.** Try.\n\n" +
		"**Exercise `01-a/one`.** Write it yourself: [one_mine.go](p/one_mine.go), then `go run ./lessons check 01-a/one`.\n\n" +
		"## second\n\n```console\n$ go run ./01-a second\nyes\n```\n\n**Notice.** This. [Up](../README.md), [there](https://example.org/).\n",
	"01-a/p/one_mine.go":     "package p\n",
	"01-a/stage_test.go":     "package main\n\nfunc TestClaims(t *testing.T) { stagetest.Claims(t, course.A, asUser) }\n",
	"lessons/course/x.go":    "package course\n",
	"01-a/testdata/other.md": "[nothing](no-where.md)\n",
}

func kitOf(t *testing.T, files map[string]string) Kit {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return Kit{
		Root:      dir,
		Stages:    []course.Stage{{Dir: "01-a", Title: "a", Steps: []course.Step{{Name: "first", Claim: "it is"}, {Name: "second", Claim: "so is this"}}}},
		Exercises: []exercise.Exercise{{Stage: "01-a", Name: "one", Step: "first", File: "01-a/p/one_mine.go"}},
		Ask: func(program string) (*Program, error) {
			switch program {
			case "./01-a":
				return &Program{Flags: []string{"quiet", "memory "}, Args: []string{"first", "second"}}, nil
			case "./lessons check":
				return &Program{Flags: []string{"all"}}, nil
			case "./lessons":
				return &Program{}, nil
			}
			return nil, nil
		},
	}
}

func TestAGoodCourseHasNoProblem(t *testing.T) {
	problems, err := kitOf(t, good).Check()
	require.NoError(t, err)
	require.Empty(t, problems)
}

// Each rule is broken on purpose, and must be told with its place.
func TestEveryRuleFindsWhatBreaksIt(t *testing.T) {
	for name, c := range map[string]struct {
		file, old, new string
		where, says    string
	}{
		"no lesson for a step":           {"01-a/README.md", "## second", "## secund", "01-a/README.md:", "step second has no lesson"},
		"no transcript":                  {"01-a/README.md", "$ go run ./01-a second", "$ ls", "01-a/README.md:14:", "lacks a transcript"},
		"nothing to notice or break":     {"01-a/README.md", "**Notice.** This.", "This.", "01-a/README.md:14:", "lacks something to notice"},
		"an exercise without its line":   {"01-a/README.md", "**Exercise `01-a/one`.**", "**Exercise.**", "01-a/README.md:3:", "does not name its exercise"},
		"an exercise without its check":  {"01-a/README.md", "check 01-a/one", "check", "01-a/README.md:3:", "does not name its exercise"},
		"an exercise without its file":   {"01-a/README.md", "(p/one_mine.go)", "(p/)", "01-a/README.md:3:", "does not name its exercise"},
		"claims that no test holds":      {"01-a/stage_test.go", "stagetest.Claims(", "nothing(", "01-a:", "no test holds"},
		"a link to nowhere":              {"README.md", "01-a/README.md#first", "01-b/README.md", "README.md:3:", "leads nowhere"},
		"a link to no heading":           {"README.md", "#first", "#fist", "README.md:3:", "leads to no heading"},
		"an address without a host":      {"01-a/README.md", "https://example.org/", "https:///x", "01-a/README.md:", "no address"},
		"a program that is not there":    {"README.md", "go run ./01-a -quiet first", "go run ./01-b first", "README.md:3:", "no such program"},
		"a step that is not there":       {"README.md", "-quiet first", "-quiet fist", "README.md:3:", "does not know fist"},
		"a flag that is not there":       {"README.md", "-quiet first", "-quite first", "README.md:3:", "does not know -quite"},
		"a command that is not there":    {"README.md", "./lessons check", "./lessons chekc", "README.md:5:", "no such program or command"},
		"a flag of a command, not there": {"README.md", "check -all", "check -every", "README.md:5:", "does not know -every"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			for f, text := range good {
				files[f] = text
			}
			require.Contains(t, files[c.file], c.old)
			files[c.file] = strings.Replace(files[c.file], c.old, c.new, 1)
			problems, err := kitOf(t, files).Check()
			require.NoError(t, err)
			require.NotEmpty(t, problems)
			said := ""
			for _, p := range problems {
				said += p.String() + "\n"
			}
			require.Contains(t, said, c.says)
			require.Contains(t, said, c.where)
		})
	}
	k := kitOf(t, good)
	k.Stages[0].Steps[1].Claim = " "
	problems, err := k.Check()
	require.NoError(t, err)
	require.Len(t, problems, 1)
	require.Contains(t, problems[0].String(), "step second of 01-a has no claim")
	swapped := kitOf(t, good)
	swapped.Stages[0].Steps[0], swapped.Stages[0].Steps[1] = swapped.Stages[0].Steps[1], swapped.Stages[0].Steps[0]
	problems, err = swapped.Check()
	require.NoError(t, err)
	require.Contains(t, problems[0].String(), "stands before that of a step that comes earlier")
}

func TestRefuses(t *testing.T) {
	p := &Program{Flags: []string{"quiet", "memory "}, Args: []string{"first"}}
	require.Empty(t, p.refuses(strings.Fields("-quiet -memory 64m first -- sh -c x")))
	require.Empty(t, p.refuses(strings.Fields("-memory=64m STEP")))
	require.Equal(t, []string{"-x"}, p.refuses(strings.Fields("-x first")))
	require.Equal(t, []string{"second"}, p.refuses(strings.Fields("first second")))
}
