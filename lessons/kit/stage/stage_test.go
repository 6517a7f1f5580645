//go:build linux

package stage

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/narrate"
)

// testStage is a stage whose steps hold, fail, panic, return an error, skip and wait.
var testStage = Program{
	Stage: course.Stage{
		Dir: "09-test", Title: "a stage for tests", Adds: "nothing",
		Steps: []course.Step{
			{Name: "holds", Claim: "this holds"}, {Name: "fails", Claim: "this does not"}, {Name: "panics", Claim: "never"},
			{Name: "breaks", Claim: "an error"}, {Name: "skips", Claim: "not here"}, {Name: "waits", Claim: "until a signal"},
		},
	},
	Steps: Steps{
		"holds": func(n *narrate.Narrator) error {
			n.Proof("it holds", !n.Without, narrate.Compare("number", 1, "before", 2))
			return nil
		},
		"fails": func(n *narrate.Narrator) error {
			n.Proof("it holds", false, narrate.Compare("number", 1, "before", 2))
			return nil
		},
		"panics": func(n *narrate.Narrator) error { defer n.Clean("cleaned"); panic("oh") },
		"breaks": func(n *narrate.Narrator) error { return fmt.Errorf("open it: %w", syscall.EROFS) },
		"skips":  func(n *narrate.Narrator) error { n.Skip("no such thing here", true); return nil },
		"waits": func(n *narrate.Narrator) error {
			defer OnInterrupt(func() { n.Clean("created first, removed last") })()
			defer OnInterrupt(func() { n.Clean("created last, removed first") })()
			OnInterrupt(func() { n.Clean("never") })() // canceled
			n.Question("ready")
			time.Sleep(time.Minute)
			return nil
		},
	},
	SoFar: func(p Payload) (int, error) {
		cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); cmd.ProcessState == nil {
			return 0, err
		}
		return Status(cmd.ProcessState), nil
	},
	Leaks: func(n *narrate.Narrator) error { n.Leak("x", "take over the host", true, nil); return nil },
	Check: func() error {
		if os.Getenv("CONTAINERKIT_STAGE") == "unfit" {
			return errors.New("not here")
		}
		return nil
	},
	Flags: func(fs *flag.FlagSet) { fs.Int("size", 0, "a flag of the stage") },
}

func TestMain(m *testing.M) {
	child.Init()
	if os.Getenv("CONTAINERKIT_STAGE") == "sandboxed" {
		testStage.Sandbox = func(*exec.Cmd) { fmt.Fprintln(os.Stderr, "the sandbox was created") }
	}
	if os.Getenv("CONTAINERKIT_STAGE") != "" {
		testStage.Main()
	}
	os.Exit(m.Run())
}

// command returns the command that runs the stage as a program.
func command(args ...string) (cmd *exec.Cmd, out, errs *bytes.Buffer) {
	cmd = exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "CONTAINERKIT_STAGE=1", "NO_COLOR=1")
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, errs
	return cmd, out, errs
}

func runStage(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	cmd, o, e := command(args...)
	_ = cmd.Run()
	require.NotNil(t, cmd.ProcessState)
	return Status(cmd.ProcessState), o.String(), e.String()
}

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		says   string // on standard output, or on standard error for a usage error
	}{
		{"holds", 0, "✓ it holds"},
		{"fails", 1, "✗ it holds"},
		{"holds fails skips", 1, "– no such thing here"},
		{"fails holds", 1, "✓ it holds"}, // the next step runs anyway
		{"panics holds", 1, "panic: oh"},
		{"breaks", 1, "open it: read-only file system\n      The file system"}, // with an explanation
		{"skips", 0, "– no such thing here"},
		{"-without holds", 1, "✗ it holds"},
		{"-list", 0, "breaks     an error\n"},
		{"-h", 0, "run a command in the container"},
		{"-help", 0, "a flag of the stage"},
		{"help", 0, "a flag of the stage"},
		{"leaks", 0, "sealed  take over the host"},
		{"-quiet holds", 0, "✓ it holds"},

		{"hold", 2, `no step "hold"; did you mean "holds"?`},
		{"brakes", 2, `did you mean "breaks"?`},
		{"nothing", 2, `no step "nothing"; go run ./09-test -list shows the steps`}, // no step is similar
		{"leak", 2, `did you mean "leaks"?`},
		{"-nonsense", 2, "-nonsense"},
		{"-size=much", 2, "much"},
		{"holds -json", 2, "flags go before the steps"},
		{"--", 2, "-- needs a command"},
		{"holds --", 2, "-- needs a command"},
		{"holds -- true", 2, "either steps or -- COMMAND"},
		{"holds leaks", 2, "runs alone"},

		{"-- true", 0, ""},
		{"-- false", 1, ""},
		{"-- sh -c exit\t7", 7, ""},
		{"-- sh -c kill\t-TERM\t$$", 143, ""},
		{"-- /no/such/command", 125, "/no/such/command"},
		{"-- echo -json -- -list", 0, "-json -- -list\n"}, // flags of the command
	} {
		var args []string
		for _, a := range strings.Fields(strings.ReplaceAll(c.args, "\t", "\x00")) {
			args = append(args, strings.ReplaceAll(a, "\x00", " "))
		}
		status, out, errs := runStage(t, args...)
		require.Equal(t, c.status, status, "%s\n%s%s", c.args, out, errs)
		if status == 2 {
			require.Empty(t, out, c.args)
			require.Contains(t, errs, c.says, c.args)
			require.Contains(t, errs, "go run ./09-test -h", c.args)
		} else {
			require.Contains(t, out+errs, c.says, c.args)
		}
	}
}

// A variable from the caller cannot pretend that the process is in a sandbox.
func TestACallersVariableIsNoSandbox(t *testing.T) {
	for _, value := range []string{"1", "0", "no PID", ""} {
		cmd, out, errs := command("holds")
		cmd.Env = append(cmd.Env, "CONTAINERKIT_STAGE=sandboxed", "CONTAINERKIT_SANDBOX="+value)
		_ = cmd.Run()
		require.Zero(t, Status(cmd.ProcessState), "%s%s", out, errs)
		require.Contains(t, errs.String(), "the sandbox was created", "CONTAINERKIT_SANDBOX=%s", value)
		require.Equal(t, 1, strings.Count(out.String(), "✓ it holds"), out)
	}
}

// If Check fails, no step and no command runs. The list and the help still do.
func TestCheckFirst(t *testing.T) {
	for args, want := range map[string]int{"": 1, "holds": 1, "leaks": 1, "-- true": 125, "-list": 0, "-h": 0, "hold": 2} {
		cmd, out, errs := command(strings.Fields(args)...)
		cmd.Env = append(cmd.Env, "CONTAINERKIT_STAGE=unfit")
		_ = cmd.Run()
		require.Equal(t, want, Status(cmd.ProcessState), "%s\n%s%s", args, out, errs)
		if want == 1 || want == 125 {
			require.Equal(t, "09-test: not here\n", errs.String(), args)
			require.Empty(t, out.String(), args)
		}
	}
}

// A panic stops one step, after its deferred cleanups, and the events stay JSON.
func TestPanicIsTold(t *testing.T) {
	status, out, errs := runStage(t, "-json", "panics")
	require.Equal(t, 1, status)
	require.Empty(t, errs)
	var kinds []narrate.Kind
	for line := range strings.Lines(out) {
		var e narrate.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		kinds = append(kinds, e.Kind)
		if e.Kind == narrate.Proof {
			require.False(t, *e.OK)
			require.Equal(t, "panic: oh", e.Data["error"])
		}
	}
	require.Equal(t, []narrate.Kind{narrate.Clean, narrate.Proof}, kinds)
}

// After Ctrl-C, Ctrl-\, SIGTERM or SIGHUP in the middle of a step, the registered cleanups run, the
// last one first.
func TestInterrupt(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		cmd, _, _ := command("-json", "waits")
		cmd.Stdout = nil
		pipe, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		dec := json.NewDecoder(pipe)
		var e narrate.Event
		require.NoError(t, dec.Decode(&e))
		require.Equal(t, "ready", e.Text)
		require.NoError(t, cmd.Process.Signal(s))
		for _, want := range []string{"created last, removed first", "created first, removed last"} {
			require.NoError(t, dec.Decode(&e))
			require.Equal(t, want, e.Text)
		}
		require.Error(t, dec.Decode(&e))
		_ = cmd.Wait()
		require.Equal(t, 128+int(s), Status(cmd.ProcessState), s)
	}
}

// The status is 128+n for signal n, as a shell reports it.
func TestStatus(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -KILL $$": 137} {
		cmd := exec.Command("sh", "-c", script)
		_ = cmd.Run()
		require.Equal(t, want, Status(cmd.ProcessState), script)
	}
}

// Signals that come before the payload exists are kept for it. After Stop, no signal is caught.
func TestSignalsAreKept(t *testing.T) {
	s := Catch()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	require.Eventually(t, func() bool { return len(s.kept) == 1 }, time.Minute, time.Millisecond)
	got := make(chan syscall.Signal, 2)
	defer s.Forward(true, func(s syscall.Signal) { got <- s })()
	require.Equal(t, syscall.SIGUSR1, <-got)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	require.Equal(t, syscall.SIGTERM, <-got)
	s.Stop()
	other := Catch()
	defer other.Stop()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGUSR2))
	require.Eventually(t, func() bool { return len(other.kept) == 1 }, time.Minute, time.Millisecond)
	require.Empty(t, got)
}

// A container that does not start because of a signal has not failed: the status says which signal
// it was.
func TestASignalIsToBlame(t *testing.T) {
	s := newSignals()
	status, err := s.Blame(syscall.EROFS)
	require.ErrorIs(t, err, syscall.EROFS, "no signal came")
	require.Zero(t, status)
	s.kept <- syscall.SIGUSR1
	_, err = s.Blame(syscall.EROFS)
	require.ErrorIs(t, err, syscall.EROFS, "the signal terminates no program")
	go func() { s.kept <- syscall.SIGHUP }() // it arrives after its effect
	status, err = s.Blame(fmt.Errorf("wait for PID 1: %w", io.EOF))
	require.NoError(t, err)
	require.Equal(t, 128+1, status)
}
