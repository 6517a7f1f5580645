//go:build linux

package stagetest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/narrate"
)

// Transcripts checks that the transcripts of a lesson are true. They are the fenced blocks that
// begin with
//
//	```console
//	$ go run ./01-cgroups pids
//
// It runs each again and compares the words, because the line breaks depend on the length of the
// numbers. Before, it masks what varies from run to run and from machine to machine: numbers, the
// random ends of names, paths of cgroups. A line "…" stands for any number of lines.
func Transcripts(t *testing.T, file string) { t.Helper(); Me().Transcripts(t, file) }

// Transcripts checks that the transcripts of a lesson are true.
func (r *Runner) Transcripts(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^```console\n\\$ (go run [^\n]*)\n(.*?)^```").FindAllStringSubmatch(string(text), -1)
	// Other packages compare what ./lessons prints: package breaks, for example.
	blocks = slices.DeleteFunc(blocks, func(b []string) bool { return strings.HasPrefix(b[1], "go run ./lessons ") })
	require.NotEmpty(t, blocks, "no transcript in %s", file)
	for _, b := range blocks {
		t.Run(b[1], func(t *testing.T) {
			// go run [-exec sudo] ./STAGE ARGUMENTS: this test binary is the stage's program.
			out, _ := r.shell(t, `go() { while [ "${1#./}" = "$1" ]; do shift; done; shift; "$KIT" "$@"; }; KIT=$1; `+b[1], r.program(t))
			const skipped, fails = "\n  – ", "\n  ✗ "
			require.Equal(t, strings.Contains("\n"+b[2], fails), strings.Contains("\n"+out, fails), "a claim fails either here or in %s, but not in both; got\n%s", file, out)
			if _, why, ok := strings.Cut("\n"+out, skipped); ok && !strings.Contains("\n"+b[2], skipped) {
				t.Skip("this machine cannot run it: " + why)
			}
			if !strings.Contains(b[1], " -- ") { // with a command, it is not narration
				requireReadable(t, out)
			}
			missing := compare(mask(b[2]), mask(out))
			require.Empty(t, missing, "the transcript in %s is not what the program prints now; got\n%s", file, out)
		})
	}
}

// requireReadable checks that the output has at most 80 columns, except commands to paste, and that
// a step has at most 30 lines, one screen, from its title to its last claim.
func requireReadable(t *testing.T, out string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	title, paste := 0, false
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "  Try it"):
			paste = true
		case !strings.HasPrefix(line, "      "):
			paste = false
		}
		if !strings.HasPrefix(line, " ") && line != "" {
			title = i
		}
		if strings.HasPrefix(line, "  Why it matters") {
			require.LessOrEqual(t, i-1-title, 30, "lines from the title to the last claim\n%s", out)
		}
		require.True(t, paste || utf8.RuneCountInString(line) <= 80, "wider than 80 columns: %s", line)
	}
}

// handsOfLesson compares the block below "By hand" in the lesson of a step with what the step
// prints. The lesson can leave out the beginning and the end, and what varies is masked, as for
// Transcripts. If the lesson says "as root" or "on cgroup v2" above the block, it is compared only
// there.
func handsOfLesson(t *testing.T, step string, hands []narrate.Event) {
	page, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(page), "\n## "+step+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	m := regexp.MustCompile("(?ms)^\\*\\*By hand\\.\\*\\*(.*?)^```sh\n(.*?)^```").FindStringSubmatch(section)
	require.NotNil(t, m, "README.md: the lesson of %s has no block ```sh below **By hand.**", step)
	var fs unix.Statfs_t
	require.NoError(t, unix.Statfs("/sys/fs/cgroup", &fs))
	for phrase, here := range map[string]bool{"as root": os.Geteuid() == 0, "on cgroup v2": fs.Type == unix.CGROUP2_SUPER_MAGIC} {
		if strings.Contains(strings.ToLower(m[1]), phrase) && !here {
			return
		}
	}
	var text strings.Builder
	for _, e := range hands {
		text.WriteString(e.Text + "\n")
	}
	require.Empty(t, Differ("…\n"+m[2]+"…\n", text.String()), "README.md: the commands by hand of %s are not what the step prints now:\n%s", step, &text)
}

// Differ returns the first words of a transcript that a run has not printed, or those that it has
// also printed, and "" if both are alike. What varies is masked, as for Transcripts.
func Differ(transcript, printed string) string { return compare(mask(transcript), mask(printed)) }

// program returns a path of the program that a shell can start.
func (r *Runner) program(t testing.TB) string {
	if r.home != "" {
		return r.path
	}
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

var masks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`/sys/fs/cgroup\S*`), "CGROUP"},
	{regexp.MustCompile(`(containerkit[-/][a-z]+)-\w+`), "$1-X"},
	{regexp.MustCompile(`[0-9][0-9.,:]*`), "N"},
	{regexp.MustCompile(`_mine\.go`), ".go"}, // the learner's own file, under the build tag mine
}

// mask replaces what varies, and returns the words of each part between two lines "…".
func mask(text string) (parts [][]string) {
	for _, m := range masks {
		text = m.what.ReplaceAllString(text, m.with)
	}
	parts = [][]string{nil}
	for line := range strings.Lines(text) {
		if last := len(parts) - 1; strings.TrimSpace(line) == "…" {
			parts = append(parts, nil)
		} else {
			parts[last] = append(parts[last], strings.Fields(line)...)
		}
	}
	return parts
}

// compare searches for the parts of want in got, one after the other: the first at the beginning,
// the last at the end. It returns the first difference, or "".
func compare(want, got [][]string) string {
	rest := slices.Concat(got...)
	for i, part := range want {
		at, common := 0, 0
		switch {
		case i == 0:
			common = alike(part, rest)
		case i == len(want)-1:
			at = max(0, len(rest)-len(part))
			common = alike(part, rest[at:])
		default:
			at, common = find(part, rest)
		}
		if common < len(part) {
			return "not printed: " + excerpt(part[common:])
		}
		rest = rest[at+len(part):]
	}
	if len(rest) > 0 {
		return "also printed: " + excerpt(rest)
	}
	return ""
}

// find returns the position of part in words. If part is not there, it returns the position of the
// longest beginning of part, and its length.
func find(part, words []string) (at, common int) {
	for start := range words {
		if n := alike(part, words[start:]); n > common {
			at, common = start, n
		}
		if common == len(part) {
			break
		}
	}
	return at, common
}

// alike returns the number of words with which both begin.
func alike(a, b []string) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func excerpt(words []string) string { return strings.Join(words[:min(12, len(words))], " ") }
