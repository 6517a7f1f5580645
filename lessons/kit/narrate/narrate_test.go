package narrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// TestMain tells the story once more to a terminal, for TestColour.
func TestMain(m *testing.M) {
	if os.Getenv("CONTAINERKIT_TELL") != "" {
		tell(New("01-cgroups", "pids", Options{}))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tell uses all that a step can say.
func tell(n *Narrator) {
	n.Title("01-cgroups/pids: a fork bomb stops")
	n.Question("what stops a fork bomb?")
	n.Before("nothing does", Data{"processes": 300})
	n.Do(Call{Text: "set the limit", Go: `g.Set("pids.max", "20")`, Sys: "write", Man: "cgroups(7)", Hand: "echo 20 > pids.max", At: New})
	n.Evidence("pids.events", "max 7\nsecond line")
	n.Proof("it stopped at <20> & no more", true, 20, 300)
	n.Proof("this is not so", false, 1, 2)
	n.ByHand("mkdir a", "rmdir a")
	n.Note("a %s", "misconception")
	n.Skip("no disk to throttle", false)
	n.Clean("the group is gone")
	n.Leak("processes", "does it see the host's processes?", false, Data{"saw": 12})
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
	out, _ := told(t, Options{JSON: true, Pause: true, Quiet: true}) // neither of the two matters here
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
	require.Equal(t, strings.Fields("question before do evidence proof proof byhand note skip clean leak proof"), kinds)
	require.Equal(t, `{"stage":"01-cgroups","step":"pids","kind":"question","text":"what stops a fork bomb?"}`, lines[0])
	require.Equal(t, `{"stage":"01-cgroups","step":"pids","kind":"proof","text":"it stopped at <20> & no more","ok":true,"data":{"control":300,"got":20}}`, lines[4])
	require.Equal(t, `{"stage":"01-cgroups","step":"pids","kind":"skip","text":"no disk to throttle","data":{"whole":false}}`, lines[8])
	require.Equal(t, `{"stage":"01-cgroups","step":"pids","kind":"leak","text":"does it see the host's processes?","ok":false,"data":{"probe":"processes","saw":12}}`, lines[10])
}

func TestPlain(t *testing.T) {
	out, n := told(t, Options{})
	require.NotContains(t, out, "\x1b", "no colour where there is no terminal")
	for _, part := range []string{
		"\n01-cgroups/pids: a fork bomb stops\n",
		"  ? what stops a fork bomb?\n",
		`  before nothing does {"processes":300}` + "\n",
		"      hand echo 20 > pids.max\n",
		"  kernel pids.events: \n      max 7\n      second line\n",
		"  ✓ it stopped at <20> & no more\n      measured 20; without it 300\n",
		"  ✗ this is not so\n",
		"      $ mkdir a\n      $ rmdir a\n",
		"  skipped no disk to throttle\n",
		"  LEAKS  processes    does it see the host's processes? (12)\n",
		"device or resource busy\n      The group has processes of its own", // the error, and what it meant
		"  the calls stand in lessons/kit/narrate/narrate.go:",
	} {
		require.Contains(t, out, part)
	}
	require.Equal(t, 2, n.Failed())
	require.Equal(t, 2, n.Proofs())
	require.False(t, n.Skipped(), "only a part was")
}

func TestQuiet(t *testing.T) {
	out, _ := told(t, Options{Quiet: true})
	for _, part := range []string{"✓", "✗", "skipped", "LEAKS"} {
		require.Contains(t, out, part)
	}
	for _, part := range []string{"?  what", "before", "▶", "kernel", "by hand", "note", "clean", "stand in", "01-cgroups"} {
		require.NotContains(t, out, part)
	}
}

// A proof whose control came out the same proves nothing.
func TestControlMustDiffer(t *testing.T) {
	for _, c := range []struct {
		got, control any
		holds        bool
	}{{20, 300, true}, {20, 20, false}, {"20", 20, false}, {[]string{"a"}, []string{"a"}, false}, {nil, "a", true}} {
		n := New("s", "s", Options{Out: io.Discard})
		n.Proof("", true, c.got, c.control)
		require.Equal(t, c.holds, n.Failed() == 0, "%v against %v", c.got, c.control)
	}
}

func TestSkippedAsAWhole(t *testing.T) {
	n := New("s", "s", Options{Out: io.Discard})
	n.Skip("nothing here", true)
	n.Skip("and besides", false)
	require.True(t, n.Skipped())
	require.Zero(t, n.Failed())
}

// Each answer takes one line, whatever was typed ahead, and nobody waits for a reader who has gone.
func TestPause(t *testing.T) {
	in := strings.NewReader("\nyes\nthis is for the shell\n")
	var out bytes.Buffer
	n := New("s", "s", Options{Pause: true, In: in, Out: &out})
	n.Question("?")
	require.Zero(t, strings.Count(out.String(), "⏎"), "a question needs no waiting")
	n.Evidence("", 1)
	n.Proof("", true, 1, 2)
	require.Equal(t, 2, strings.Count(out.String(), "⏎"))
	rest, err := io.ReadAll(in)
	require.NoError(t, err)
	require.Equal(t, "this is for the shell\n", string(rest))

	n.Evidence("", 1) // the end of the input
	n.Evidence("", 1)
	n.Proof("", true, 1, 2)
	require.Equal(t, 3, strings.Count(out.String(), "⏎"))
}

func TestColour(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	for env, coloured := range map[string]bool{"TERM=xterm": true, "NO_COLOR=1": false, "TERM=dumb": false} {
		cmd := exec.Command(self)
		cmd.Env = append(withoutColourSettings(), "TERM=xterm", "CONTAINERKIT_TELL=1", env)
		terminal, err := pty.Start(cmd)
		require.NoError(t, err)
		out, _ := io.ReadAll(terminal) // EIO is how Linux says that the other end is closed
		require.NoError(t, cmd.Wait())
		require.Contains(t, string(out), "what stops a fork bomb?")
		require.Equal(t, coloured, bytes.Contains(out, []byte("\x1b[")), env)
	}
}

func withoutColourSettings() (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NO_COLOR=") && !strings.HasPrefix(v, "TERM=") {
			env = append(env, v)
		}
	}
	return env
}

// source must name the place of a method, too, and nothing for what is no function.
func TestSource(t *testing.T) {
	require.Regexp(t, `^lessons/kit/narrate/narrate\.go:\d+$`, source((*Narrator).Proof))
	require.Empty(t, source(nil))
	require.Empty(t, source("text"))
	require.Empty(t, source(fmt.Sprint), "not a part of the kit")
	require.Empty(t, source(errors.New), "not a part of the kit")
}
