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

// mainEnv is the variable that makes the test binary run as the stage's program.
const mainEnv = "CONTAINERKIT_TEST_MAIN"

// userID is the UID of an ordinary user for tests that run as root. No account has it.
const userID = 65532

// Main is the TestMain of a stage with this main function. It compares the machine's state before
// and after the tests.
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

// Program runs main and exits if a Runner started this process as the program. Use it in a TestMain
// that does not call Main.
func Program(main func()) {
	if os.Getenv(mainEnv) != "" {
		main()
		os.Exit(0)
	}
}

// A Runner runs the stage's program, and the commands that the program shows to type by hand.
type Runner struct {
	path string // of the program
	home string // of the ordinary user, "" if the program runs as the current user
	// group is the cgroup in which the program starts; nil is ours.
	group *os.File
	// Env is added to the environment.
	Env []string
}

// Me returns a Runner for the current user.
func Me() *Runner { return &Runner{path: "/proc/self/exe"} }

// AsUser returns a Runner for an ordinary user. If the tests run as root, that is a user without an
// account, and the Runner has a copy of the program that this user can read.
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
	require.NoError(t, os.Chown(home, userID, userID)) // last: until now, we wrote to it by its path
	return &Runner{path: path, home: home, group: group(t)}
}

// write writes a program. Meanwhile no other test can fork: its child would have the file open for
// writing until it execs, and a file that is open for writing cannot be executed (ETXTBSY,
// execve(2)).
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

// group returns a cgroup for an ordinary user's processes if root is in the root cgroup, as on a
// machine that booted into a shell: after a login, no user is there. Root owns the cgroup, so the
// user cannot create cgroups in it.
func group(t testing.TB) *os.File {
	t.Helper()
	if text, err := os.ReadFile("/proc/self/cgroup"); err != nil || string(text) != "0::/\n" {
		return nil
	}
	dir, err := os.MkdirTemp("/sys/fs/cgroup", "stagetest-")
	require.NoError(t, err)
	t.Cleanup(func() { // EBUSY until the last of its processes is reaped
		require.Eventually(t, func() bool { return os.Remove(dir) == nil }, 10*time.Second, 10*time.Millisecond, "cannot remove %s", dir)
	})
	f, err := os.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// Command prepares the stage's program, for tests that must talk to it or kill it. Otherwise use
// Run.
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
	cmd.WaitDelay = 5 * time.Second // another process that has its output open does not block us
	return cmd
}

// A Result is the result of a run of the program.
type Result struct {
	Status         int
	Events         []narrate.Event
	Stdout, Stderr string
}

// limit is the time after which a program is killed, so that a lesson that hangs fails.
const limit = 3 * time.Minute

// Run runs the program until it exits. With -json among the arguments, it also decodes the events.
func Run(t testing.TB, args ...string) Result { t.Helper(); return Me().Run(t, args...) }

// Run runs the program until it exits. With -json among the arguments, it also decodes the events.
func (r *Runner) Run(t testing.TB, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := r.Command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "%v did not exit\n%s%s", args, &out, &errs)
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

// Of returns the events of a kind.
func (r Result) Of(kind narrate.Kind) []narrate.Event {
	var list []narrate.Event
	for _, e := range r.Events {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// SkipIfSkipped skips the test with the step's reason if the step cannot run here at all.
func (r Result) SkipIfSkipped(t testing.TB) {
	t.Helper()
	for _, e := range r.Of(narrate.Skip) {
		require.NotEmpty(t, e.Text, "a skip without a reason")
		if e.Data["whole"] == true {
			require.Zero(t, r.Status, "a skipped step does not fail\n%s", r.Stderr)
			require.Empty(t, r.Of(narrate.Proof), "a skipped step makes no claims")
			t.Skip(e.Text)
		}
	}
}

// Claims checks that the claims of every step hold, and that one fails without the step's feature.
func Claims(t *testing.T, s course.Stage) { t.Helper(); Me().Claims(t, s) }

// Claims checks that the claims of every step hold, and that one fails without the step's feature.
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
				require.NotContains(t, p.Data, "error", "the step must measure, not fail: %s", p.Text)
				if !*p.OK {
					refuted++
				}
			}
			require.NotZero(t, refuted, "every claim holds without the feature\n%s", res.Stdout)
		})
	}
}

// ByHand runs the commands that the steps show to type by hand.
func ByHand(t *testing.T, s course.Stage) { t.Helper(); Me().ByHand(t, s) }

// ByHand runs the commands that the steps show to type by hand, in one shell per step, which exits
// at the first error. It checks that the lesson has the same commands. As root, it also runs them
// with troubles: see mishaps.
func (r *Runner) ByHand(t *testing.T, s course.Stage) {
	delicate := map[string]string{}
	for _, step := range s.Steps {
		t.Run(step.Name, func(t *testing.T) {
			res := r.Run(t, "-json", step.Name)
			res.SkipIfSkipped(t)
			hands := res.Of(narrate.ByHand)
			if len(hands) == 0 {
				t.Skip("the step shows no commands here")
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
	require.NoError(t, ctx.Err(), "did not exit: %s\n%s", script, out)
	return strings.TrimRight(string(out), "\n"), err
}

// Leaks checks that the stage seals what it promises to seal, and leaks the rest.
func Leaks(t *testing.T) { t.Helper(); Me().Leaks(t) }

// Leaks checks that the stage seals what it promises to seal, and leaks the rest.
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
