//go:build linux

package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/course"
)

func TestMain(m *testing.M) {
	child.Init()
	os.Exit(m.Run())
}

// Whatever a step may ask for, the doctor knows how to try.
func TestKnowsWhatStepsNeed(t *testing.T) {
	for _, stage := range course.Stages {
		for _, step := range stage.Steps {
			require.Subset(t, Features, step.Needs, step.Name)
		}
	}
}

// Each attempt comes to an outcome with a reason, and what does not work to advice as well. What it comes to depends
// on the machine: that the steps agree with it is tested by the stages.
func TestExamine(t *testing.T) {
	r := Examine()
	require.Len(t, r.Features, len(Features))
	skip := map[course.Feature]bool{}
	for i, f := range r.Features {
		t.Logf("%-12s %-12s %s %s", f.Feature, f.Outcome, f.Why, f.Fix)
		require.Equal(t, Features[i], f.Feature)
		require.NotEmpty(t, f.Why, f.Feature)
		require.NotEqual(t, CannotTell, f.Outcome, "%s: %s", f.Feature, f.Why)
		if f.Outcome == Works {
			require.Empty(t, f.Fix)
		} else {
			skip[f.Feature] = true
			require.NotEmpty(t, f.Fix, f.Feature)
		}
		require.Equal(t, f, Probe(f.Feature), "asked again it says the same")
	}
	for _, l := range r.WillSkip {
		for _, n := range l.Needs {
			require.True(t, skip[n.Feature], "%+v", l)
		}
	}
	if len(skip) == 0 {
		require.Empty(t, r.WillSkip)
	}
	for _, f := range r.Facts {
		require.NotEmpty(t, f.Name)
		require.NotEmpty(t, f.Value, f.Name)
	}
}

// refusing is what the doctor says in a PID namespace that has no /proc: the one that it sees is ours.
type refusing struct {
	Proc  Fact
	Tried []course.Feature
}

var strangers = room.New("doctor-strangers", unix.CLONE_NEWPID, func(saw *refusing) error {
	r := Examine()
	saw.Proc = r.Facts[slices.IndexFunc(r.Facts, func(f Fact) bool { return f.Name == "/proc" })]
	for _, f := range r.Features {
		if f.Outcome != CannotTell {
			saw.Tried = append(saw.Tried, f.Feature)
		}
	}
	return nil
})

// Where /proc is another PID namespace's, the doctor tries nothing, and says what to do.
func TestForeignProc(t *testing.T) {
	saw, err := strangers.Run(t)
	require.NoError(t, err)
	require.Contains(t, saw.Proc.Value, "another PID namespace")
	require.Contains(t, saw.Proc.Advice, "--mount-proc")
	require.Empty(t, saw.Tried)
	require.Empty(t, proc().Advice, "the control: here it is ours")
}

// Trying must not change the host: its name is the easiest to break.
func TestHostIsLeftAlone(t *testing.T) {
	before, err := os.Hostname()
	require.NoError(t, err)
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for _, f := range Features {
		try(f)
	}
	after, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, before, after)
	now, _ := os.ReadFile("/proc/self/mountinfo")
	require.Equal(t, string(mounts), string(now))
}

func TestWillSkip(t *testing.T) {
	stages := []course.Stage{{Dir: "01-x", Steps: []course.Step{
		{Name: "a", Needs: []course.Feature{course.Cgroups, course.IO}}, {Name: "b"}, {Name: "c", Needs: []course.Feature{course.TimeNS}},
	}}}
	got := lacks(stages, func(f course.Feature) Result {
		return map[course.Feature]Result{
			course.Cgroups: {Feature: f}, course.IO: {Feature: f, Outcome: Unsupported, Why: "no disk"}, course.TimeNS: {Feature: f, Outcome: CannotTell},
		}[f]
	})
	require.Len(t, got, 2)
	require.Equal(t, "a", got[0].Step)
	require.Equal(t, []Result{{Feature: course.IO, Outcome: Unsupported, Why: "no disk"}}, got[0].Needs)

	var out strings.Builder
	Report{WillSkip: got}.Write(&out)
	require.Contains(t, out.String(), "  01-x a                 no io controller\n")
	require.Contains(t, out.String(), "  01-x c                 cannot tell: time namespace\n")
}

func TestWrite(t *testing.T) {
	r := Report{
		Facts: []Fact{{"kernel", strings.Repeat("long ", 40), "Upgrade it.\n$ sudo a-command-that-must-not-be-broken " + strings.Repeat("x", 80)}},
		Features: []Result{
			{Feature: course.Pids, Why: "it was made"},
			{Feature: course.Memory, Outcome: Unsupported, Why: "no cgroups", Fix: "run as root"},
			{Feature: course.CPU, Outcome: Unsupported, Why: "no cgroups", Fix: "run as root"},
			{Feature: course.TimeNS, Outcome: CannotTell, Why: "out of memory"},
		},
	}
	var out strings.Builder
	r.Write(&out)
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "      $ ") {
			require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), width, line)
		}
	}
	require.Contains(t, out.String(), "\n      $ sudo a-command-that-must-not-be-broken xxx")
	require.Contains(t, out.String(), "  ✗ cpu controller       for the same reason\n")
	require.Contains(t, out.String(), "  ? time namespace       out of memory\n")
	require.Equal(t, 1, strings.Count(out.String(), "run as root"))

	raw, err := json.Marshal(r.Features[3])
	require.NoError(t, err)
	require.JSONEq(t, `{"feature":"time","outcome":"cannot tell","why":"out of memory"}`, string(raw))
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		err     error
		outcome Outcome
	}{
		{&os.PathError{Op: "mount overlay on", Path: "/x", Err: unix.ENODEV}, Unsupported},
		{fmt.Errorf("make namespaces: %w", unix.EPERM), Unsupported},
		{fmt.Errorf("make namespaces: %w", unix.ENOMEM), CannotTell}, // the machine is short of something, today
		{fmt.Errorf("make namespaces: %w", unix.EAGAIN), CannotTell},
		{io.EOF, CannotTell}, // the child died
		{&cgroup.Unavailable{Reason: "none", Fix: "be root"}, Unsupported},
	} {
		r := explain(course.Overlay, c.err)
		require.Equal(t, c.outcome, r.Outcome, "%v", c.err)
		require.NotEmpty(t, r.Why)
		if r.Outcome == Unsupported {
			require.NotEmpty(t, r.Fix, "%v", c.err)
		}
	}
}

func TestOlder(t *testing.T) {
	for release, want := range map[string]bool{"5.13.0-generic": true, "5.14.1": false, "6.1.0-39-amd64": false, "4.18.0": true, "": false} {
		require.Equal(t, want, older(release, 5, 14), release)
	}
}
