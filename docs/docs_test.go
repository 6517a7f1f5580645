//go:build linux

package docs

import (
	"context"
	"encoding/csv"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/stagetest"
)

// The commands that the book shows are compared as a stage's transcripts are, and leave nothing behind either.
func TestMain(m *testing.M) { stagetest.Main(m, func() {}) }

// A session is a block ```console: commands, each behind "$ ", with what they print. One shell runs them all, in the kit's
// directory.
type session struct {
	line     int // in its page
	commands []string
	printed  []string // by each of them
}

var block = regexp.MustCompile("(?ms)^```console\n(.*?)^```")

func sessions(page string) (list []session) {
	for _, m := range block.FindAllStringSubmatchIndex(page, -1) {
		s := session{line: strings.Count(page[:m[0]], "\n") + 1}
		for line := range strings.Lines(page[m[2]:m[3]]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				s.commands, s.printed = append(s.commands, strings.TrimSpace(command)), append(s.printed, "")
			} else if n := len(s.printed); n > 0 {
				s.printed[n-1] += line
			}
		}
		list = append(list, s)
	}
	return list
}

// limit is how long a session may take: it may have to compile first, on a machine that does other things.
const limit = 5 * time.Minute

// run types the commands into a shell, and returns what each has printed.
func (s session) run(t *testing.T) []string {
	t.Helper()
	const mark = "\x1e" // no command prints it
	var script strings.Builder
	for _, c := range s.commands {
		fmt.Fprintf(&script, "printf '%s'\n%s\n", mark, c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", script.String())
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "LC_ALL=C.UTF-8")
	cmd.WaitDelay = 5 * time.Second
	out, _ := cmd.CombinedOutput() // what a command's failure looks like is for the book to show
	require.NoError(t, ctx.Err(), "did not end: %s\n%s", s.commands, out)
	printed := strings.Split(string(out), mark)[1:]
	require.Len(t, printed, len(s.commands), "the shell ended early\n%s", out)
	return printed
}

// Every block of the book's terminal is typed again, and prints what the book says.
func TestSessions(t *testing.T) {
	require.NoError(t, filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".md" {
			return err
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, s := range sessions(string(raw)) {
			t.Run(fmt.Sprintf("%s:%d", file, s.line), func(t *testing.T) {
				for i, printed := range s.run(t) {
					if _, why, ok := strings.Cut("\n"+printed, "\n  – "); ok && !strings.Contains(s.printed[i], "  – ") {
						t.Skip("this machine cannot run it: " + why)
					}
					require.Empty(t, stagetest.Differ(s.printed[i], printed), "%s:%d: $ %s\nprints now\n%s", file, s.line, s.commands[i], printed)
				}
			})
		}
		return nil
	}))
}

// What the test above would let pass would be no test: a wrong line, a line too few, a line too many.
func TestSessionsFindWhatIsWrong(t *testing.T) {
	page := "# X\n\n```console\n$ X=1; echo one\none\n$ echo two; echo $X three\ntwo\n1 three\n```\n\n```\n$ no\n```\n"
	list := sessions(page)
	require.Len(t, list, 1)
	s := list[0]
	require.Equal(t, session{3, []string{"X=1; echo one", "echo two; echo $X three"}, []string{"one\n", "two\n1 three\n"}}, s)
	printed := s.run(t)
	require.Equal(t, s.printed, printed)
	for _, wrong := range []string{"two\n1 four\n", "two\n", "two\n1 three\n1 four\n"} {
		require.NotEmpty(t, stagetest.Differ(wrong, printed[1]), wrong)
	}
	require.Empty(t, stagetest.Differ("two\n…\n", printed[1]))
}

// The glossary is one table, its words come in order, each once, and another page uses each; what is in italics has an entry.
func TestGlossary(t *testing.T) {
	raw, err := os.ReadFile("glossary.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(raw), "| --- | --- | --- |\n")
	require.True(t, ok, "no table")
	words := regexp.MustCompile(`(?m)^\| ([^|]+) \| [^|]+ \|.*\|$`).FindAllStringSubmatch(table, -1)
	require.Equal(t, strings.Count(table, "\n"), len(words), "each line below the head is a row: | word | meaning | where |")
	others := ""
	for _, pattern := range []string{"../*.md", "../0*/*.md", "*.md", "vm/*.md"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			if file == "glossary.md" {
				continue
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			others += strings.ToLower(string(text))
		}
	}
	last, entries := "", map[string]bool{}
	for _, w := range words {
		word := strings.ToLower(w[1])
		require.Less(t, last, word, "out of order, or twice")
		last = word
		for name := range strings.SplitSeq(strings.SplitN(word, ", as in ", 2)[0], ", ") { // setns, unshare, clone
			require.True(t, strings.Contains(others, name), "no other page uses the word %q", name)
			entries[name] = true
		}
	}
	for _, m := range regexp.MustCompile(`\*([^*|]+)\*`).FindAllStringSubmatch(table, -1) {
		name := strings.ToLower(m[1])
		one := strings.TrimSuffix(name, "s")
		if y, ok := strings.CutSuffix(name, "ies"); ok && !entries[one] {
			one = y + "y" // capabilities
		}
		require.True(t, entries[name] || entries[one], "%q is in italics and has no entry", m[1])
	}
}

// Every row of the timeline has a date, a kind that the picture knows, and a source; and they come in the order of time.
func TestTimeline(t *testing.T) {
	rows := timeline(t)
	require.GreaterOrEqual(t, len(rows), 20)
	last := ""
	for _, r := range rows {
		require.Regexp(t, `^(19|20)\d\d(-(0[1-9]|1[0-2]))?$`, r[0])
		require.Contains(t, []string{"before", "namespace", "cgroup", "tool", "standard"}, r[1])
		require.NotEmpty(t, r[2], "what the picture calls it")
		require.NotEmpty(t, r[3])
		require.Regexp(t, `^\[[^]]+\]\(https://[^)]+\)(, \[[^]]+\]\(https://[^)]+\))*$`, r[4])
		require.GreaterOrEqual(t, r[0], last[:min(len(last), len(r[0]))], "out of order: %v", r)
		last = r[0]
	}
}

func timeline(t *testing.T) [][]string {
	t.Helper()
	f, err := os.Open("timeline.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"date", "kind", "label", "what", "source"}, rows[0])
	return rows[1:]
}
