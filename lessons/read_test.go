//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/author/book"
	"containerkit/lessons/kit/course"
)

func TestReadListsWhatThereIsInOrder(t *testing.T) {
	status, out, errs := lessons("read")
	require.Zero(t, status, errs)
	chapters, err := book.Contents("..")
	require.NoError(t, err)
	at := 0
	for _, c := range chapters {
		i := strings.Index(out[at:], "\n  "+c.Name+" ")
		require.GreaterOrEqual(t, i, 0, "%s comes next in\n%s", c.Name, out[at:])
		at += i
		require.NotEmpty(t, c.Title, c.File)
	}
	for line := range strings.Lines(out) {
		require.LessOrEqual(t, len([]rune(line)), 81, line)
	}
	// The book comes first, in the order of its contents, with every page.
	raw, err := os.ReadFile("../docs/README.md")
	require.NoError(t, err)
	first := regexp.MustCompile(`\]\(([a-z0-9-]+)\.md\)`).FindStringSubmatch(string(raw))
	require.Equal(t, first[1], chapters[0].Name)
	pages, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(chapters), len(pages)-1+len(course.Stages))
}

// TestReadEveryChapter shows every chapter and every lesson. No comment, link or picture is left as
// Markdown, and no line of text is too wide.
func TestReadEveryChapter(t *testing.T) {
	chapters, err := book.Contents("..")
	require.NoError(t, err)
	var names []string
	for _, c := range chapters {
		names = append(names, c.Name)
	}
	for _, s := range course.Stages {
		for _, step := range s.Steps {
			names = append(names, s.Dir+"/"+step.Name)
		}
	}
	for _, name := range names {
		status, out, errs := lessons("read", name)
		require.Zero(t, status, "%s: %s", name, errs)
		require.True(t, strings.HasPrefix(out, "# "), "%s begins\n%.200s", name, out)
		require.NotContains(t, out, "\x1b", name)
		require.NotContains(t, out, "![", name)
		for line := range strings.Lines(out) {
			require.False(t, strings.HasSuffix(line, " \n"), "%s: %q", name, line)
			if !strings.HasPrefix(line, " ") { // code, which keeps its width
				require.NotContains(t, line, "](", name)
				if !strings.Contains(line, "://") { // an address cannot be broken
					require.LessOrEqual(t, len([]rune(line)), 81, "%s: %s", name, line)
				}
			}
		}
	}
}

func TestReadShowsWhatItIsAsked(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		says   []string
	}{
		{"read 02-namespaces/uts", 0, []string{"# 02-namespaces/uts\n", "  --- 02-namespaces/uts.go\n", "## The commands in it\n", "   1  go run ./02-namespaces -quiet uts\n"}},
		{"read uts", 0, []string{"# 02-namespaces/uts\n"}},
		{"read ernos", 2, []string{`no chapter "ernos"; did you mean "errnos"?`}},
		{"read docs/errnos.md", 0, []string{"# Errnos\n"}},
		{"read ./02-namespaces/", 0, []string{"# Stage 2: namespaces — what a process can see\n", "*Picture: The eight namespaces, and what each hides*\n(docs/pictures/namespaces.svg)\n"}},
		{"read archtecture", 2, []string{`no chapter "archtecture"; did you mean "architecture"?`}},
		{"read 02-namespaces/utz", 2, []string{`did you mean "02-namespaces/uts"?`}},
		{"read uts mnt", 2, nil},
		{"read uts -run 9", 2, []string{"02-namespaces/uts mentions 3 commands: -run 1 to -run 3"}},
		{"read -run 1", 2, []string{"-run needs the chapter"}},
		{"break", 2, nil},
		{"break utz", 2, []string{`no step "utz"; did you mean "uts"?`}},
	} {
		status, out, errs := lessons(strings.Fields(c.args)...)
		require.Equal(t, c.status, status, "%s\n%s%s", c.args, out, errs)
		for _, says := range c.says {
			require.Contains(t, out+errs, says, c.args)
		}
		if status == 2 {
			require.Empty(t, out, c.args)
			require.Equal(t, 2, strings.Count(errs, "\n"), errs)
		}
	}
}

// TestReadRuns runs a command of a chapter, and returns its exit status.
func TestReadRuns(t *testing.T) {
	status, out, errs := lessons("read", "uts", "-run", "1")
	require.Zero(t, status, out+errs)
	require.Contains(t, errs, "$ go run ./02-namespaces -quiet uts\n")
	if !strings.Contains(out, "  – ") {
		require.Contains(t, out, "✓ A hostname set inside doesn't change the host's hostname")
	}
	status, out, errs = lessons("read", "uts", "-run", "2")
	require.Contains(t, errs, "$ go run ./lessons break -quiet 02-namespaces/uts\n")
	if !strings.Contains(out, "  – ") {
		require.Equal(t, 1, status, out+errs)
		require.Contains(t, out, "✗ A hostname set inside doesn't change the host's hostname")
	}
}

// TestBreak checks that break shows the change, runs the step with it, and leaves the files as they
// are.
func TestBreak(t *testing.T) {
	const file = "../02-namespaces/uts.go"
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	status, out, errs := lessons("break", "uts")
	if strings.Contains(out, "  – ") {
		t.Skip(out)
	}
	require.Equal(t, 1, status, out+errs)
	require.True(t, strings.HasPrefix(out, "--- 02-namespaces/uts.go\n-\tinside, err :="), out)
	require.Contains(t, out, "✗ A hostname set inside doesn't change the host's hostname")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// TestStagesDoNotLinkWhatReadNeeds checks that only this program links the packages that render the
// book and its colors.
func TestStagesDoNotLinkWhatReadNeeds(t *testing.T) {
	deps := func(packages ...string) string {
		cmd := exec.Command("go", append([]string{"list", "-deps"}, packages...)...)
		cmd.Dir = ".."
		out, err := cmd.Output()
		require.NoError(t, err)
		return string(out)
	}
	var stages []string
	for _, s := range course.Stages {
		stages = append(stages, "./"+s.Dir)
	}
	for _, p := range []string{"github.com/charmbracelet/", "github.com/yuin/goldmark", "github.com/alecthomas/chroma"} {
		require.Contains(t, deps("./lessons"), p)
		require.NotContains(t, deps(stages...), p)
	}
}

// TestReadOnATerminal checks that a chapter is paged, in color unless NO_COLOR is set, and no wider
// than the screen.
func TestReadOnATerminal(t *testing.T) {
	if _, err := exec.LookPath("less"); err != nil {
		t.Skip("less is not installed: apt install less")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	dir, err := os.Getwd()
	require.NoError(t, err)
	open := func(env ...string) *screen {
		return newScreen(t, dir, append([]string{lessonsEnv + "=read 02-namespaces/uts", "LC_ALL=C.UTF-8", "PAGER=", "LESS=", "NO_COLOR="}, env...), self)
	}
	s := open()
	s.shows("02-namespaces/uts", "Run it.", "go run ./02-namespaces -quiet uts")
	require.Regexp(t, `\x1b\[[0-9;]*m`, s.tmux("capture-pane", "-p", "-e"))
	s.keys("G")
	s.shows("The commands in it", "1 go run ./02-namespaces -quiet uts")
	s.keys("q")
	s.ends()
	s = open("NO_COLOR=1")
	s.shows("# 02-namespaces/uts")
	require.NotContains(t, s.tmux("capture-pane", "-p", "-e"), "Idea\x1b")
	s.keys("q")
	s.ends()
	s = newScreen(t, dir, []string{lessonsEnv + "=read 02-namespaces/uts", "PAGER=head -n 3; echo that is all"}, self)
	s.shows("that is all")
	s.ends()
}
