//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/stagetest"
)

func TestMain(m *testing.M) { stagetest.Main(m, main) }

func TestClaims(t *testing.T)       { stagetest.Claims(t, course.Namespaces02) }
func TestClaimsAsUser(t *testing.T) { stagetest.AsUser(t).Claims(t, course.Namespaces02) }
func TestByHand(t *testing.T)       { stagetest.ByHand(t, course.Namespaces02) }
func TestByHandAsUser(t *testing.T) { stagetest.AsUser(t).ByHand(t, course.Namespaces02) }
func TestTranscripts(t *testing.T)  { stagetest.Transcripts(t, "README.md") }

// both runs a test as the current user, and as an ordinary user.
func both(t *testing.T, f func(t *testing.T, r *stagetest.Runner)) {
	t.Run("me", func(t *testing.T) { f(t, stagetest.Me()) })
	t.Run("user", func(t *testing.T) { f(t, stagetest.AsUser(t)) })
}

func TestSoFar(t *testing.T) {
	both(t, func(t *testing.T, r *stagetest.Runner) {
		for _, c := range []struct {
			argv   []string
			status int
			says   string
		}{
			{[]string{"true"}, 0, ""},
			{[]string{"sh", "-c", "exit 3"}, 3, ""},
			{[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
			{[]string{"sh", "-c", "kill -KILL $$"}, 128 + 9, ""},
			{[]string{"no-such-command"}, 127, "no-such-command"},
			{[]string{"/no/such/file"}, 127, "/no/such/file"},
			{[]string{"/etc/passwd"}, 126, "permission denied"},
		} {
			res := r.Run(t, append([]string{"-quiet", "--"}, c.argv...)...)
			require.Equal(t, c.status, res.Status, "%q: %s", c.argv, res.Stderr)
			require.Contains(t, res.Stderr, c.says)
			require.LessOrEqual(t, strings.Count(res.Stderr, "\n"), 1, res.Stderr)
		}
	})
}

// TestView checks that the command sees its own namespaces.
func TestView(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	both(t, func(t *testing.T, r *stagetest.Runner) {
		res := r.Run(t, "-quiet", "--", "sh", "-c", `id -u; cat /proc/sys/kernel/hostname; cut -d. -f1 /proc/uptime; echo /proc/[0-9]*; cut -d: -f3 /proc/self/cgroup | sort -u; wc -l < /proc/net/dev`)
		require.Zero(t, res.Status, res.Stderr)
		lines := strings.Split(strings.TrimSpace(res.Stdout), "\n")
		require.Len(t, lines, 6, res.Stdout)
		require.Equal(t, "0", lines[0])
		require.NotEqual(t, host, lines[1])
		require.Less(t, len(lines[2]), 2, "up for seconds: %s", lines[2])
		require.True(t, strings.HasPrefix(lines[3], "/proc/1 /proc/"), lines[3])
		require.Equal(t, "/", lines[4])
		require.Equal(t, "3", lines[5], "two heading lines, and lo")
	})
	now, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, host, now)
}

// TestSoFarForwards checks that a signal for the program reaches the command, once.
func TestSoFarForwards(t *testing.T) {
	both(t, func(t *testing.T, r *stagetest.Runner) {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			cmd := r.Command(ctx, "-quiet", "--", "sh", "-c", `trap 'echo got it; exit 9' TERM INT HUP; echo ready; while :; do sleep 0.1; done`)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			ready := make([]byte, 6)
			_, err = out.Read(ready)
			require.NoError(t, err)
			require.NoError(t, cmd.Process.Signal(s))
			var rest bytes.Buffer
			_, _ = rest.ReadFrom(out)
			_ = cmd.Wait()
			require.Equal(t, 9, cmd.ProcessState.ExitCode(), "%v: %s", s, rest.String())
			require.Equal(t, "got it\n", rest.String(), "once")
		}
	})
}

// TestTerminal checks that a command on a terminal has job control, and gets a Ctrl-C once.
func TestTerminal(t *testing.T) {
	both(t, func(t *testing.T, r *stagetest.Runner) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		cmd := r.Command(ctx, "-quiet", "--", "sh", "-c", `trap 'n=$((n+1))' INT; echo rea''dy; sleep 1; sleep 1; echo "interrupts: $n"; sh -ic 'echo inter''active'`)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, nil, nil
		tty, err := pty.Start(cmd)
		require.NoError(t, err)
		defer tty.Close()
		var out bytes.Buffer
		buf := make([]byte, 1024)
		typed := false
		for {
			n, err := tty.Read(buf)
			out.Write(buf[:n])
			if !typed && strings.Contains(out.String(), "ready") {
				typed = true
				_, err := tty.Write([]byte{3})
				require.NoError(t, err)
			}
			if err != nil {
				break // EIO: the other end is closed
			}
		}
		require.NoError(t, cmd.Wait(), out.String())
		require.Contains(t, out.String(), "interrupts: 1\r\n")
		require.Contains(t, out.String(), "interactive")
		require.NotContains(t, out.String(), "can't access tty")
	})
}

// TestKilled checks that no process is left when the program is killed.
func TestKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := stagetest.Me().Command(ctx, "-quiet", "--", "sh", "-c", "echo ready; sleep 60")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, 6))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	// The pipe is closed when the last process that has it open exits, long before the sleep would.
	start := time.Now()
	_, _ = new(bytes.Buffer).ReadFrom(out)
	_ = cmd.Wait()
	require.Less(t, time.Since(start), 10*time.Second)
	require.Zero(t, stagetest.Run(t, "-quiet", "--", "true").Status, "the next run removes the leftovers")
}

func TestUnknownStep(t *testing.T) {
	res := stagetest.Run(t, "cgruop")
	require.Equal(t, 2, res.Status)
	require.Contains(t, res.Stderr, `"cgroup"`)
}

// TestLeaks checks that the container at stage 02 seals what the table promises and leaks the rest.
func TestLeaks(t *testing.T) { stagetest.Leaks(t) }

func TestLeaksAsUser(t *testing.T) { stagetest.AsUser(t).Leaks(t) }

// TestForeignProc checks that the program changes no process if /proc belongs to another PID
// namespace.
func TestForeignProc(t *testing.T) { stagetest.ForeignProc(t) }

func TestOneEntryForEachVariable(t *testing.T) {
	stagetest.Environment(t, map[string]string{"CONTAINERKIT_CONN": "7"})
}

func TestExitStatus(t *testing.T) { stagetest.ExitStatus(t, nil) }

func TestTemporaryDirectory(t *testing.T) { stagetest.TemporaryDirectory(t, "mnt") }

func TestUnusualTemporaryDirectory(t *testing.T) {
	stagetest.UnusualTemporaryDirectory(t, "mnt")
}

func TestFullOutput(t *testing.T) {
	stagetest.FullOutput(t, "-h", "-list", "uts", "-json uts", "-quiet uts")
}

func TestStatusTable(t *testing.T) { stagetest.StatusTable(t, "uts") }

func TestTimeNamespace(t *testing.T) { stagetest.TimeNamespace(t) }

func TestFewFiles(t *testing.T) { stagetest.FewFiles(t) }

func TestTranscriptOfTheFrontPage(t *testing.T) { stagetest.Transcripts(t, "../README.md") }

func TestSignalsOfACommand(t *testing.T) { stagetest.Signals(t) }

func TestQuitPrintsNoGoroutines(t *testing.T) { stagetest.Quit(t, "leaks") }

func TestPipesAreRootsInside(t *testing.T) { stagetest.Streams(t) }

func TestInterruptedLeakTableLeavesNothing(t *testing.T) { stagetest.LeaksInterrupted(t) }

// Each system call that a step prints is one that it makes.
func TestCalls(t *testing.T) { stagetest.Calls(t, course.Namespaces02) }
