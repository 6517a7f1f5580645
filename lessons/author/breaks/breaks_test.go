//go:build linux

package breaks

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/stagetest"
)

const root = "../../.."

// A broken step cleans up as every step does: nothing may be left on the machine.
func TestMain(m *testing.M) { stagetest.Main(m, func() {}) }

// userID is an ordinary user for tests that run as root: nobody has it.
const userID = 65532

// few are tried when nobody asks for more: one of each stage, the quickest.
var few = []string{"01-cgroups/kill", "02-namespaces/uts", "03-rootfs/chroot", "04-network/loopback", "05-full/walls"}

// Every break is tried: its lines are there, and with the change the step prints what the lesson says, in which a claim does
// not hold. All of them take minutes, so they are asked for: CONTAINERKIT_BREAKS=all, or the name of a stage, or of one. Root tries each
// as an ordinary user as well.
func TestBreaks(t *testing.T) {
	asked := os.Getenv("CONTAINERKIT_BREAKS")
	tried := 0
	for _, s := range course.Stages {
		if stage, _, _ := strings.Cut(asked, "/"); asked != "" && asked != "all" && stage != s.Dir {
			continue
		}
		list, err := Read(root, s)
		require.NoError(t, err)
		require.Len(t, list, len(s.Steps), "a break for every step of %s", s.Dir)
		for _, b := range list {
			if asked == "" && !slices.Contains(few, b.ID()) || strings.Contains(asked, "/") && asked != b.ID() {
				continue
			}
			tried++
			t.Run(b.ID(), func(t *testing.T) { try(t, b) })
		}
	}
	require.NotZero(t, tried, "no break is called %q", asked)
}

func try(t *testing.T, b Break) {
	dir, err := os.MkdirTemp("", "breaks-") // not t.TempDir: the ordinary user must be let in
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o755))
	program, refused, err := b.Build(root, dir)
	require.NoError(t, err)
	if program == "" {
		require.Empty(t, stagetest.Differ(b.Printed, refused), "%s/README.md:%d: the compiler says\n%s", b.Stage, b.Line, refused)
		return
	}
	t.Run("me", func(t *testing.T) { run(t, b, program, "") })
	if os.Geteuid() == 0 {
		home := filepath.Join(dir, "home")
		require.NoError(t, os.Mkdir(home, 0o700))
		require.NoError(t, os.Chown(home, userID, userID))
		t.Run("user", func(t *testing.T) { run(t, b, program, home) })
	}
}

// run runs the broken step, as who we are or as the ordinary user with a home.
func run(t *testing.T, b Break, program, home string) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := b.Command(ctx, program, b.Flags...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	if home != "" {
		cmd.Dir = home
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: userID, Gid: userID}}
		cmd.Env = append(cmd.Env, "HOME="+home, "TMPDIR="+home, "XDG_RUNTIME_DIR=")
	}
	cmd.WaitDelay = 5 * time.Second
	said, err := cmd.CombinedOutput()
	out := string(said)
	require.NoError(t, ctx.Err(), "did not end\n%s", out)
	if _, why, ok := strings.Cut("\n"+out, "\n  – "); ok && !strings.Contains(b.Printed, "  – ") {
		t.Skip("this machine or user cannot run it: " + why)
	}
	require.Empty(t, wrong(b, err, out), "%s/README.md:%d: with the change the step prints\n%s", b.Stage, b.Line, out)
}

// wrong says what is wrong with a break whose step has ended so and printed this.
func wrong(b Break, ended error, out string) string {
	switch line := stagetest.Differ(b.Printed, out); {
	case ended == nil:
		return "it breaks nothing: the step holds what it claims"
	case !strings.Contains(b.Printed, "✗"):
		return "the lesson shows no claim that does not hold"
	case line != "":
		return "the lesson and the step differ: " + line
	}
	return ""
}

const lesson = "\n**Idea.** X.\n\n**Break it.** So:\n```diff\n--- a/b.go\n one\n-two\n+2\n@@\n+zero\n one\n--- c.go\n-x\n+y\n```\n```console\n$ go run ./lessons break -quiet 01-a/first\n  ✗ it holds\n…\n```\n"

func TestParse(t *testing.T) {
	b, err := Parse("01-a", "first", lesson, 7)
	require.NoError(t, err)
	require.Equal(t, Break{Stage: "01-a", Step: "first", Line: 11, Flags: []string{"-quiet"}, Printed: "  ✗ it holds\n…\n", Changes: []Change{
		{"a/b.go", "one\ntwo\n", "one\n2\n", "--- a/b.go\n one\n-two\n+2\n"},
		{"a/b.go", "one\n", "zero\none\n", "@@\n+zero\n one\n"},
		{"c.go", "x\n", "y\n", "--- c.go\n-x\n+y\n"},
	}}, b)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "a"), 0o755))
	put := func(file, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
	}
	put("a/b.go", "one\ntwo\nthree\n")
	put("c.go", "xx\nx\n")
	files, err := b.Changed(dir)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a/b.go": "zero\none\n2\nthree\n", "c.go": "xx\ny\n"}, files)

	put("c.go", "x\nx\n")
	_, err = b.Changed(dir)
	require.ErrorContains(t, err, "c.go has more than once")
	put("c.go", "xx\n")
	_, err = b.Changed(dir)
	require.ErrorContains(t, err, "lines that are not in c.go: x")
	require.NoError(t, os.Remove(filepath.Join(dir, "c.go")))
	_, err = b.Changed(dir)
	require.ErrorContains(t, err, "there is no such file")
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, says string }{
		{"**Break it.** So:", "So:", "nothing to break"},
		{"```diff", "```", "does not show what to break"},
		{"--- a/b.go\n", "", "does not begin with --- FILE"},
		{"-two", "two", `the line "two"`},
		{"-x\n+y\n", "", "changes nothing in c.go"},
		{"+zero\n", "", "changes nothing in a/b.go"},
		{"01-a/first", "01-a/second", "does not show what then happens"},
		{"$ go run", "$ ls; go run", "does not show what then happens"},
		{"```\n```console", "```\n\nSee:\n```console", "does not show what then happens"},
	} {
		require.Contains(t, lesson, c.old)
		_, err := Parse("01-a", "first", strings.Replace(lesson, c.old, c.new, 1), 1)
		require.ErrorContains(t, err, c.says)
	}
}

// What TestBreaks would let pass would be no test: a change that breaks nothing, a claim that holds all the same, another
// output, and what does not compile.
func TestWhatIsWrongWithABreakIsFound(t *testing.T) {
	b, err := Find(root, "02-namespaces/uts")
	require.NoError(t, err)
	outcome := func(b Break) (string, string) {
		dir := t.TempDir()
		program, refused, err := b.Build(root, dir)
		require.NoError(t, err)
		if program == "" {
			return refused, ""
		}
		out, err := b.Command(t.Context(), program, b.Flags...).CombinedOutput()
		if strings.Contains(string(out), "  – ") {
			t.Skipf("this machine cannot run it: %s", out)
		}
		return wrong(b, err, string(out)), string(out)
	}
	said, out := outcome(b)
	require.Empty(t, said, out)
	other := b
	other.Printed = "  ✗ something else\n…\n"
	said, _ = outcome(other)
	require.Equal(t, "the lesson and the step differ: not printed: something else", said)
	other = b
	other.Changes = []Change{{File: "02-namespaces/uts.go", Old: "package main\n", New: "package main // as before\n"}}
	said, _ = outcome(other)
	require.Contains(t, said, "it breaks nothing")
	other.Changes[0].New = "package mine\n"
	said, _ = outcome(other)
	require.Contains(t, said, "mine")
}

func TestFind(t *testing.T) {
	for name, says := range map[string]string{"utss": `did you mean "uts"?`, "02-namespaces/utz": `did you mean "02-namespaces/uts"?`} {
		_, err := Find(root, name)
		require.ErrorContains(t, err, says)
	}
	b, err := Find(root, "uts")
	require.NoError(t, err)
	require.Equal(t, "02-namespaces/uts", b.ID())
}
