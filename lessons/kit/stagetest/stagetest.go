//go:build linux

package stagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// mainEnv makes the test binary the stage's program.
const mainEnv = "CONTAINERKIT_TEST_MAIN"

// userID is an ordinary user for tests that run as root: nobody has it.
const userID = 65532

// Main is TestMain of a stage: main is the stage's main function. It compares the machine before and after.
func Main(m *testing.M, main func()) {
	child.Init()
	Program(main)
	before := look()
	status := m.Run()
	if left := before.compare(); left != "" {
		fmt.Fprintf(os.Stderr, "the tests left something behind:\n%s", left)
		status = max(status, 1)
	}
	os.Exit(status)
}

// Program runs main and exits, if a Runner started this process as the program. For a TestMain that
// does not call Main.
func Program(main func()) {
	if os.Getenv(mainEnv) != "" {
		main()
		os.Exit(0)
	}
}

// A Runner runs the stage's program, and whatever it tells to run by hand.
type Runner struct {
	path string // of the program
	home string // of the ordinary user, "" if we run as who we are
	// group is the cgroup that it is born in; nil is ours.
	group *os.File
	// Env is added to the environment.
	Env []string
}

// Me runs the program as whoever runs the tests.
func Me() *Runner { return &Runner{path: "/proc/self/exe"} }

// AsUser runs the program as an ordinary user: as we are if we are none but ordinary, else as a user that nobody is,
// from a copy of the program that he may read.
func AsUser(t testing.TB) *Runner {
	t.Helper()
	if os.Geteuid() != 0 {
		return Me()
	}
	home, err := os.MkdirTemp("", "stagetest-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	require.NoError(t, os.Chmod(home, 0o755))
	path := filepath.Join(home, "stage")
	from, err := os.Open("/proc/self/exe")
	require.NoError(t, err)
	defer from.Close()
	require.NoError(t, write(path, from))
	require.NoError(t, os.Chown(home, userID, userID)) // last: what is written by name is written in a directory of ours
	return &Runner{path: path, home: home, group: group(t)}
}

// write writes a program. No other test may fork meanwhile: its child would have the file open for writing until it
// execs, and a file that is open for writing cannot be executed (ETXTBSY, execve(2)).
func write(path string, from io.Reader) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// group is a cgroup for an ordinary user's processes, where root is in the root of all, as on a machine that has been
// booted into a shell: no login would have left him there. It is root's: he may not make groups in it.
func group(t testing.TB) *os.File {
	t.Helper()
	if text, err := os.ReadFile("/proc/self/cgroup"); err != nil || string(text) != "0::/\n" {
		return nil
	}
	dir, err := os.MkdirTemp("/sys/fs/cgroup", "stagetest-")
	require.NoError(t, err)
	t.Cleanup(func() { // EBUSY until the last of its processes has been buried
		require.Eventually(t, func() bool { return os.Remove(dir) == nil }, 10*time.Second, 10*time.Millisecond, "cannot remove %s", dir)
	})
	f, err := os.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// Command prepares the stage's program. (For tests that must talk to it or kill it; else use Run.)
func (r *Runner) Command(ctx context.Context, args ...string) *exec.Cmd {
	return r.as(exec.CommandContext(ctx, r.path, args...))
}

func (r *Runner) as(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(os.Environ(), mainEnv+"=1", "NO_COLOR=1")
	if r.home != "" {
		cmd.Dir = r.home
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: userID, Gid: userID}}
		cmd.Env = append(cmd.Env, "HOME="+r.home, "TMPDIR="+r.home, "XDG_RUNTIME_DIR=")
	}
	if r.group != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(r.group.Fd())
	}
	cmd.Env = append(cmd.Env, r.Env...)
	cmd.WaitDelay = 5 * time.Second // whoever still holds its output does not hold us
	return cmd
}

// Result is what a run of the program came to.
type Result struct {
	Status         int
	Events         []narrate.Event
	Stdout, Stderr string
}

// limit is how long a program may run: a lesson that hangs is a failure, not a wait.
const limit = 3 * time.Minute

// Run runs the program to its end. With -json among the arguments its events are read.
func Run(t testing.TB, args ...string) Result { t.Helper(); return Me().Run(t, args...) }

// Run runs the program to its end. With -json among the arguments its events are read.
func (r *Runner) Run(t testing.TB, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := r.Command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "%v did not end\n%s%s", args, &out, &errs)
	require.NotNil(t, cmd.ProcessState, "%v did not start: %v", args, err)
	res := Result{Status: stage.Status(cmd.ProcessState), Stdout: out.String(), Stderr: errs.String()}
	for _, a := range args {
		if a == "--" {
			break
		}
		if a == "-json" {
			res.Events = events(t, &out)
		}
	}
	return res
}

// events reads what a program prints with -json.
func events(t testing.TB, r io.Reader) (list []narrate.Event) {
	t.Helper()
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	for {
		var e narrate.Event
		err := dec.Decode(&e)
		if err == io.EOF {
			return list
		}
		require.NoError(t, err, "-json printed something else, after %v", list)
		list = append(list, e)
	}
}

// Of lists the events of a kind.
func (r Result) Of(kind narrate.Kind) []narrate.Event {
	var list []narrate.Event
	for _, e := range r.Events {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// SkipIfSkipped skips the test if the step said that it cannot run here at all, with its reason.
func (r Result) SkipIfSkipped(t testing.TB) {
	t.Helper()
	for _, e := range r.Of(narrate.Skip) {
		require.NotEmpty(t, e.Text, "a skip without a reason")
		if e.Data["whole"] == true {
			require.Zero(t, r.Status, "a skipped step is no failure\n%s", r.Stderr)
			require.Empty(t, r.Of(narrate.Proof), "a skipped step proves nothing")
			t.Skip(e.Text)
		}
	}
}

// Claims runs every step of the stage, and every step without its feature.
func Claims(t *testing.T, s course.Stage) { t.Helper(); Me().Claims(t, s) }

// Claims runs every step of the stage, and every step without its feature.
func (r *Runner) Claims(t *testing.T, s course.Stage) {
	for _, step := range s.Steps {
		t.Run(step.Name, func(t *testing.T) {
			res := r.Run(t, "-json", step.Name)
			res.SkipIfSkipped(t)
			for _, e := range res.Events {
				require.Equal(t, []string{s.Dir, step.Name}, []string{e.Stage, e.Step})
			}
			require.Zero(t, res.Status, "%s%s", res.Stdout, res.Stderr)
			for _, kind := range []narrate.Kind{narrate.Question, narrate.Idea, narrate.Before, narrate.Do, narrate.Proof, narrate.Why} {
				require.NotEmpty(t, res.Of(kind), "a step has a %s", kind)
			}
			for _, p := range res.Of(narrate.Proof) {
				require.NotNil(t, p.OK)
				require.True(t, *p.OK, "%s: %v", p.Text, p.Data)
				require.NotEqual(t, fmt.Sprint(p.Data["got"]), fmt.Sprint(p.Data["control"]), p.Text)
			}
		})
		t.Run(step.Name+"/without", func(t *testing.T) {
			res := r.Run(t, "-without", "-json", step.Name)
			res.SkipIfSkipped(t)
			require.Equal(t, 1, res.Status, "%s%s", res.Stdout, res.Stderr)
			refuted := 0
			for _, p := range res.Of(narrate.Proof) {
				require.NotContains(t, p.Data, "error", "the step must measure, not break: %s", p.Text)
				if !*p.OK {
					refuted++
				}
			}
			require.NotZero(t, refuted, "a claim that holds without its feature claims nothing\n%s", res.Stdout)
		})
	}
}

// ByHand runs what the steps tell the reader to type.
func ByHand(t *testing.T, s course.Stage) { t.Helper(); Me().ByHand(t, s) }

// ByHand runs what the steps tell the reader to type, in one shell for each step, that stops at the first error; and holds the
// lesson to it, in which the same commands stand. As root it types them again where something goes wrong: see mishaps.
func (r *Runner) ByHand(t *testing.T, s course.Stage) {
	delicate := map[string]string{}
	for _, step := range s.Steps {
		t.Run(step.Name, func(t *testing.T) {
			res := r.Run(t, "-json", step.Name)
			res.SkipIfSkipped(t)
			hands := res.Of(narrate.ByHand)
			if len(hands) == 0 {
				t.Skip("nothing to do by hand here")
			}
			handsOfLesson(t, step.Name, hands)
			for _, e := range hands {
				out, err := r.shell(t, "set -e\n"+e.Text)
				require.NoError(t, err, "%s\n---\n%s", e.Text, out)
				t.Logf("%s\n---\n%s", e.Text, out)
				if strings.Contains(e.Text, "unshare") {
					delicate[step.Name] = e.Text
				}
			}
		})
	}
	if os.Geteuid() == 0 && r.home == "" {
		t.Run("mishaps", func(t *testing.T) { mishap(t, delicate) })
	}
}

func (r *Runner) shell(t testing.TB, script string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := r.as(exec.CommandContext(ctx, "sh", append([]string{"-c", script, "sh"}, args...)...))
	out, err := cmd.CombinedOutput()
	require.NoError(t, ctx.Err(), "did not end: %s\n%s", script, out)
	return strings.TrimRight(string(out), "\n"), err
}

// Leaks holds the stage to what it promises to seal, and what not, in both directions.
func Leaks(t *testing.T) { t.Helper(); Me().Leaks(t) }

// Leaks holds the stage to what it promises to seal, and what not, in both directions.
func (r *Runner) Leaks(t *testing.T) {
	t.Helper()
	result := r.Run(t, "-json", "leaks")
	result.SkipIfSkipped(t)
	require.Equal(t, 0, result.Status, result.Stdout+result.Stderr)
	leaks := result.Of(narrate.Leak)
	require.GreaterOrEqual(t, len(leaks), 20)
	for _, e := range leaks {
		require.Equal(t, e.Data["promised"], *e.OK, "%v: %v (%v)", e.Data["probe"], e.Text, e.Data["saw"])
	}
}
