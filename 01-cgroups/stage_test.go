//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
	"containerkit/lessons/kit/stagetest"
)

func TestMain(m *testing.M) { stagetest.Main(m, main) }

func TestClaims(t *testing.T)      { stagetest.Claims(t, course.Cgroups01) }
func TestByHand(t *testing.T)      { stagetest.ByHand(t, course.Cgroups01) }
func TestTranscripts(t *testing.T) { stagetest.Transcripts(t, "README.md") }

// For an ordinary user without a delegated cgroup, each step says so once, and how to run it.
func TestOrdinaryUser(t *testing.T) {
	user := stagetest.AsUser(t)
	for _, s := range course.Cgroups01.Steps {
		res := user.Run(t, "-json", s.Name)
		require.Zero(t, res.Status, "%s%s", res.Stdout, res.Stderr)
		if skips := res.Of(narrate.Skip); len(skips) > 0 {
			require.Len(t, skips, 1)
			require.Contains(t, skips[0].Text, "to run it: ")
			require.Empty(t, res.Stderr)
		}
	}
	res := user.Run(t, "--", "sh", "-c", "exit 7")
	require.Equal(t, 7, res.Status)
	require.LessOrEqual(t, strings.Count(res.Stderr, "\n"), 1, res.Stderr)
}

// needGroups skips a test if this process can't create cgroups.
func needGroups(t *testing.T) *cgroup.Hierarchy {
	t.Helper()
	h, err := cgroup.Find()
	if err != nil {
		t.Skip(err.Error())
	}
	for _, c := range []string{"pids", "memory", "cpu"} {
		if !h.Has(c) {
			t.Skipf("no %s controller here", c)
		}
	}
	return h
}

func TestSoFar(t *testing.T) {
	needGroups(t)
	res := stagetest.Run(t, "--", "cat", "/proc/self/cgroup")
	require.Zero(t, res.Status, res.Stderr)
	require.Contains(t, res.Stdout, "/containerkit/sofar-", "the command starts in the cgroup")

	for _, c := range []struct {
		argv   []string
		status int
		says   string
	}{
		{[]string{"true"}, 0, ""},
		{[]string{"sh", "-c", "exit 3"}, 3, ""},
		{[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{[]string{"no-such-command"}, 127, "no-such-command"},
		{[]string{"/no/such/file"}, 127, "/no/such/file"},
		{[]string{"/etc/passwd"}, 126, "permission denied"},
		// The limit is 256 MiB.
		{[]string{"dd", "if=/dev/zero", "of=/dev/null", "bs=400M", "count=1"}, 128 + 9, ""},
	} {
		t.Run(strings.Join(c.argv, " "), func(t *testing.T) {
			res := stagetest.Run(t, append([]string{"--"}, c.argv...)...)
			require.Equal(t, c.status, res.Status, res.Stderr)
			require.Contains(t, res.Stderr, c.says)
		})
	}
}

// A process that the command leaves running is killed with its cgroup.
func TestSoFarLeavesNoProcess(t *testing.T) {
	needGroups(t)
	began := time.Now()
	res := stagetest.Run(t, "--", "sh", "-c", "setsid sleep 50 >/dev/null 2>&1 & echo $!")
	require.Zero(t, res.Status, res.Stderr)
	require.Less(t, time.Since(began), 20*time.Second)
	// A zombie is fine: init reaps it.
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(res.Stdout) + "/stat")
	if err == nil {
		require.Contains(t, string(stat), ") Z ")
	}
}

// The command can be this program itself, which then creates its cgroups below.
func TestSoFarInItself(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	res := stagetest.Run(t, "-quiet", "--", self, "-quiet", "--", "echo", "inside")
	require.Zero(t, res.Status, res.Stderr)
	require.Equal(t, "inside\n", res.Stdout)
}

// The program forwards a signal to the command, even one that the command itself sends immediately.
func TestSoFarForwardsSignals(t *testing.T) {
	needGroups(t)
	for range 5 {
		said := stagetest.Run(t, "--", "sh", "-c",
			`trap "exit 9" TERM; kill -TERM $PPID; while :; do sleep 0.1; done`)
		require.Equal(t, 9, said.Status, said)
	}
}

// After kill -9 in the middle of a step, the next run removes the leftovers.
func TestKilledInTheMiddle(t *testing.T) {
	needGroups(t)
	for step, middle := range map[string]time.Duration{
		"pids": 300 * time.Millisecond, "memory": 20 * time.Millisecond, "cpu": 500 * time.Millisecond,
		"freeze": 450 * time.Millisecond, // frozen after 300 ms, for 300 ms
	} {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			cmd := stagetest.Me().Command(ctx, "-json", step)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			mine := leftBy(t)
			require.NoError(t, cmd.Start())
			end := time.Now().Add(20 * time.Second)
			for len(leftBy(t)) <= len(mine) && time.Now().Before(end) {
				time.Sleep(5 * time.Millisecond)
			}
			time.Sleep(middle)
			left := leftBy(t)
			require.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait()
			require.Greater(t, len(left), len(mine), "the killed run left nothing to remove: %s", &out)

			require.Zero(t, stagetest.Run(t, "-quiet", "kill").Status)
			for _, dir := range left {
				require.NoDirExists(t, dir)
			}
		})
	}
}

// After Ctrl-C, a step cleans up itself.
func TestInterrupted(t *testing.T) {
	needGroups(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := stagetest.Me().Command(ctx, "-json", "cpu")
	before := leftBy(t)
	require.NoError(t, cmd.Start())
	end := time.Now().Add(20 * time.Second)
	for len(leftBy(t)) <= len(before) && time.Now().Before(end) {
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	during := leftBy(t)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	require.Equal(t, 130, stage.Status(cmd.ProcessState))
	for _, dir := range during {
		require.NoDirExists(t, dir)
	}
}

// leftBy returns the cgroups of this stage's steps that exist now.
func leftBy(t *testing.T) (dirs []string) {
	t.Helper()
	h, err := cgroup.Find()
	require.NoError(t, err)
	for _, c := range append(h.Controllers(), "unified") {
		if h.Parents[c] == "" {
			continue
		}
		found, err := filepath.Glob(h.Parents[c] + "/" + cgroup.Prefix + "*")
		require.NoError(t, err)
		for _, dir := range found {
			name := filepath.Base(dir)
			for _, ours := range []string{"free", "pids", "memory", "cpu", "light", "heavy", "freeze"} {
				if strings.HasPrefix(name, ours+"-") {
					dirs = append(dirs, dir)
				}
			}
		}
	}
	return dirs
}

// The container at this stage seals what the README's table promises, and leaks the rest.
func TestLeaks(t *testing.T) { stagetest.Leaks(t) }

func TestLeaksAsUser(t *testing.T) { stagetest.AsUser(t).Leaks(t) }

// If /proc belongs to another PID namespace, the program changes none of its processes.
func TestForeignProc(t *testing.T) { stagetest.ForeignProc(t) }

func TestOneEntryForEachVariable(t *testing.T) {
	stagetest.Environment(t, map[string]string{"CONTAINERKIT_CONN": "7"})
}

func TestExitStatus(t *testing.T) { stagetest.ExitStatus(t, nil) }

func TestTemporaryDirectory(t *testing.T) { stagetest.TemporaryDirectory(t, "leaks") }

func TestUnusualTemporaryDirectory(t *testing.T) {
	stagetest.UnusualTemporaryDirectory(t, "io")
}

func TestFullOutput(t *testing.T) {
	stagetest.FullOutput(t, "-h", "-list", "hierarchy", "-json hierarchy", "-quiet hierarchy")
}

func TestStatusTable(t *testing.T) { stagetest.StatusTable(t, "hierarchy") }

func TestFewFiles(t *testing.T) { stagetest.FewFiles(t) }

func TestSignalsOfACommand(t *testing.T) { stagetest.Signals(t) }

func TestQuitPrintsNoGoroutines(t *testing.T) { stagetest.Quit(t, "leaks") }

func TestPipesAreRootsInside(t *testing.T) { stagetest.Streams(t) }

func TestInterruptedLeakTableLeavesNothing(t *testing.T) { stagetest.LeaksInterrupted(t) }

// Each system call that a step prints is one that it makes.
func TestCalls(t *testing.T) { stagetest.Calls(t, course.Cgroups01) }
