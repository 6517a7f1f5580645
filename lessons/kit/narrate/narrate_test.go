package narrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// TestMain prints the step to a terminal, for TestColor.
func TestMain(m *testing.M) {
	if os.Getenv("CONTAINERKIT_TELL") != "" {
		tell(New("01-cgroups", "pids", Options{}))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tell uses every method that a step can use.
func tell(n *Narrator) {
	n.Title("01-cgroups/pids: a fork bomb stops")
	n.Question("What stops a fork bomb?")
	n.Idea("The kernel counts the processes in a cgroup, and at the limit fork(2) fails with EAGAIN, also for root.")
	n.Control("Without a limit", Show("processes", 300))
	n.Do(Call{Text: "Set the limit", Sys: [][2]string{{`write("pids.max", "20")`, "at most 20"}, {"fork()", ""}},
		Go: `g.Set("pids.max", "20")`, Man: "cgroups(7), fork(2)", Hand: "echo 20 > pids.max", At: New})
	n.Evidence(Show("pids.events", "max 7\nsecond line"))
	n.Detail(Show("PID", 17))
	n.Proof("It stops at <20> & no more", true, Show("limit", 20), Compare("processes", 20, "without", 300))
	n.Note("A %s.", "surprise")
	n.Proof("This is not so", false, Compare("a label that is longer", "and a value that has more words", "host", "other"))
	n.Proof("Nothing changes", true, Compare("processes", 3, "before", 3))
	n.Why("docker run --pids-limit")
	n.WithDocker("docker run --pids-limit 20", "mkdir a", "rmdir a")
	n.Skip("no disk to throttle", false)
	n.Clean("the cgroup is gone")
	n.Leak("processes", "list the host's processes", false, Data{"saw": 12})
	n.Note("This one needs %s.", "a namespace")
	n.Fail(&os.PathError{Op: "write", Path: "/sys/fs/cgroup/cgroup.subtree_control", Err: syscall.EBUSY})
	n.End()
}

func told(t *testing.T, o Options) (string, *Narrator) {
	t.Helper()
	var out bytes.Buffer
	o.Out = &out
	n := New("01-cgroups", "pids", o)
	tell(n)
	return out.String(), n
}

// Tools depend on this form: a change here is a change for them.
func TestJSONIsStable(t *testing.T) {
	out, _ := told(t, Options{JSON: true, Pause: true, Quiet: true}) // Pause and Quiet have no effect here
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	var kinds []string
	for _, line := range lines {
		dec := json.NewDecoder(strings.NewReader(line))
		dec.DisallowUnknownFields()
		var e Event
		require.NoError(t, dec.Decode(&e), line)
		require.Equal(t, "01-cgroups/pids", e.Stage+"/"+e.Step)
		kinds = append(kinds, string(e.Kind))
	}
	require.Equal(t, strings.Fields("question idea before do evidence evidence proof note proof proof why byhand "+
		"skip clean leak note proof"), kinds)
	for i, want := range map[int]string{
		0: `"kind":"question","text":"What stops a fork bomb?"}`,
		2: `"kind":"before","text":"Without a limit","data":{"rows":[{"label":"processes","value":300}]}}`,
		6: `"kind":"proof","text":"It stops at <20> & no more","ok":true,"data":{"control":300,"control_label":"without",` +
			`"got":20,"label":"processes","rows":[{"label":"limit","value":20},` +
			`{"label":"processes","value":20,"control_label":"without","control":300}]}}`,
		12: `"kind":"skip","text":"no disk to throttle","data":{"whole":false}}`,
		14: `"kind":"leak","text":"list the host's processes","ok":false,"data":{"probe":"processes","saw":12}}`,
	} {
		require.Equal(t, `{"stage":"01-cgroups","step":"pids",`+want, lines[i])
	}
}

func TestPlain(t *testing.T) {
	out, n := told(t, Options{})
	require.NotContains(t, out, "\x1b", "no color without a terminal")
	want, err := os.ReadFile("testdata/plain.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), regexp.MustCompile(`go:\d+`).ReplaceAllString(out, "go:N"))
	require.Equal(t, 3, n.Failed())
	require.Equal(t, 3, n.Proofs())
	require.False(t, n.Skipped(), "only a part was skipped")
}

func TestVerbose(t *testing.T) {
	plain, _ := told(t, Options{})
	out, _ := told(t, Options{Verbose: true})
	for _, part := range []string{`go    g.Set("pids.max", "20")`, "hand  echo 20 > pids.max", "PID                 17", "the cgroup is gone"} {
		require.Contains(t, out, part)
		require.NotContains(t, plain, part)
	}
}

func TestQuiet(t *testing.T) {
	out, _ := told(t, Options{Quiet: true})
	for _, part := range []string{"✓", "✗", "– no disk", "LEAKS", "without: 300"} {
		require.Contains(t, out, part)
	}
	for _, part := range []string{"?  what", "○", "▶", "pids.events", "Try it", "surprise", "gone", "Code", "01-cgroups"} {
		require.NotContains(t, out, part)
	}
}

// Only a command to paste is wider than 80 columns, and no word is broken.
func TestWidth(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("the kernel says so ", 20))
	var out bytes.Buffer
	n := New("s", "s", Options{Out: &out})
	n.Title(long)
	n.Question(long)
	n.Control(long, Show("label", long), Compare(long, long, long, long))
	n.Do(Call{Text: long, Sys: [][2]string{{long, long}, {"short()", long}}, Man: long})
	n.Proof(long, true, Compare("label", strings.Repeat("x", 30), "control", long))
	n.Fail(errors.New(long))
	n.Leak("name", long, true, nil)
	n.End()
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, length(strings.TrimSuffix(line, "\n")), fullWidth, line)
		for _, word := range strings.Fields(strings.Map(letters, line)) {
			require.Contains(t, "the kernel says so label short name Read Code control sealed The step runs to its end", strings.Trim(word, "x")) // whole
		}
	}
	out.Reset()
	n.ByHand(long)
	require.Contains(t, out.String(), long+"\n", "a command stays on one line")
}

func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == ' ' {
		return r
	}
	return -1
}

// A claim fails if its control has the same value.
func TestControlMustDiffer(t *testing.T) {
	for _, c := range []struct {
		rows  []Row
		holds bool
	}{
		{[]Row{Compare("", 20, "c", 300)}, true},
		{[]Row{Compare("", 20, "c", 20)}, false},
		{[]Row{Compare("", "20", "c", 20)}, false},
		{[]Row{Compare("", []string{"a"}, "c", []string{"a"})}, false},
		{[]Row{Compare("", nil, "c", "a")}, true},
		{[]Row{Compare("", 1, "c", 1), Compare("", 1, "c", 2)}, true},
		{[]Row{Show("", 1)}, false},
		{nil, false},
	} {
		n := New("s", "s", Options{Out: io.Discard})
		n.Proof("", true, c.rows...)
		require.Equal(t, c.holds, n.Failed() == 0, "%v", c.rows)
	}
}

// The row in the fields of the proof itself is one that differs from its control.
func TestProofNamesARowThatDiffers(t *testing.T) {
	var out bytes.Buffer
	n := New("s", "s", Options{JSON: true, Out: &out})
	n.Proof("", true, Compare("a", 1, "c", 1), Compare("b", 2, "d", 3), Compare("e", 4, "f", 5))
	require.Contains(t, out.String(), `"control":3,"control_label":"d","got":2,"label":"b"`)
}

func TestSkippedAsAWhole(t *testing.T) {
	n := New("s", "s", Options{Out: io.Discard})
	n.Skip("nothing here", true)
	n.Skip("a part, too", false)
	require.True(t, n.Skipped())
	require.Zero(t, n.Failed())
}

// With Pause, a claim is a question first. Each result reads one line of input, even if more was
// typed ahead, and the narration continues when the input ends.
func TestPause(t *testing.T) {
	in := strings.NewReader("\nyes\nthis is for the shell\n")
	var out bytes.Buffer
	n := New("s", "s", Options{Pause: true, In: in, Out: &out})
	n.Question("?")
	n.Do(Call{Text: "do"})
	require.Zero(t, strings.Count(out.String(), "Enter"), "a question does not wait")
	n.Proof("claim", true, Compare("", 1, "c", 2))
	require.Contains(t, out.String(), "? True or false: claim\n    Enter   ✓ claim")
	n.Do(Call{Text: "do", Danger: "a fork bomb starts"})
	require.Contains(t, out.String(), "! a fork bomb starts\n")
	rest, err := io.ReadAll(in)
	require.NoError(t, err)
	require.Equal(t, "this is for the shell\n", string(rest))

	n.Proof("", true, Compare("", 1, "c", 2)) // the end of the input
	n.Proof("", true, Compare("", 1, "c", 2))
	require.Equal(t, 3, strings.Count(out.String(), "Enter"))
}

// With Pause, the narration waits after each screenful.
func TestPauseAtEachScreenful(t *testing.T) {
	var out bytes.Buffer
	n := New("s", "s", Options{Pause: true, In: strings.NewReader(strings.Repeat("\n", 20)), Out: &out})
	n.screen.rows = 10
	for range 50 {
		n.Leak("name", "?", true, nil)
	}
	for screenful := range strings.SplitSeq(out.String(), "more: Enter") {
		require.LessOrEqual(t, strings.Count(screenful, "\n"), 8)
	}
}

func TestColor(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	for env, colored := range map[string]bool{"TERM=xterm": true, "NO_COLOR=1": false, "TERM=dumb": false} {
		cmd := exec.Command(self)
		cmd.Env = append(withoutColorSettings(), "TERM=xterm", "CONTAINERKIT_TELL=1", env)
		terminal, err := pty.Start(cmd)
		require.NoError(t, err)
		out, _ := io.ReadAll(terminal) // EIO means that the other end is closed
		require.NoError(t, cmd.Wait())
		require.Contains(t, string(out), "What stops a fork bomb?")
		require.Equal(t, colored, bytes.Contains(out, []byte("\x1b[")), env)
	}
}

func withoutColorSettings() (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NO_COLOR=") && !strings.HasPrefix(v, "TERM=") {
			env = append(env, v)
		}
	}
	return env
}

// source must also find a method. It returns "" for a value that is not a function.
func TestSource(t *testing.T) {
	require.Regexp(t, `^lessons/kit/narrate/narrate\.go:\d+$`, source((*Narrator).Proof))
	require.Empty(t, source(nil))
	require.Empty(t, source("text"))
	require.Empty(t, source(fmt.Sprint), "not in the repository")
	require.Empty(t, source(errors.New), "not in the repository")
}
