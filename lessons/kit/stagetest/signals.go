//go:build linux

package stagetest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/stage"
)

// Signals checks the effect of a signal to the stage with a command: at any moment of the start,
// while the command runs, and if the caller ignores the signal.
func Signals(t *testing.T) {
	each(t, func(t *testing.T, r *Runner) {
		t.Run("while it starts", r.signalsWhileItStarts)
		t.Run("forwarded", r.signalsForwarded)
		t.Run("ignored", r.signalsIgnored)
	})
}

// inSession prepares the program in its own session: without our terminal, from which a SIGINT
// could come, and with its own process group, to which the test can send a signal.
func (r *Runner) inSession(ctx context.Context, args ...string) *exec.Cmd {
	return setsid(r.Command(ctx, args...))
}

func setsid(cmd *exec.Cmd) *exec.Cmd {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	return cmd
}

// signalsWhileItStarts sends a signal to the program, and to its group as timeout(1) does, at
// moments from before main until after the start. Each time, the status must say which signal it
// was, and the program must print nothing.
func (r *Runner) signalsWhileItStarts(t *testing.T) {
	for i, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		for after := time.Duration(1+i) * time.Millisecond; after < 50*time.Millisecond; after += 3 * time.Millisecond {
			for _, group := range []bool{false, true} {
				cmd := r.inSession(t.Context(), "-quiet", "--", "sleep", "86399")
				var said bytes.Buffer
				cmd.Stderr = &said
				require.NoError(t, cmd.Start())
				time.Sleep(after)
				require.NoError(t, cmd.Process.Signal(s))
				if group {
					_ = syscall.Kill(-cmd.Process.Pid, s) // it has possibly exited
				}
				_ = cmd.Wait()
				require.Equal(t, 128+int(s), stage.Status(cmd.ProcessState), "%v after %v: %s", s, after, &said)
				require.Empty(t, said.String(), "%v after %v", s, after)
			}
		}
	}
}

// forwardedSignals returns the signals that a command gets: all except those that no program can
// catch, those that are for our program itself, the real-time signals, and those by which a
// terminal stops a job.
func forwardedSignals() (list []syscall.Signal) {
	for s := syscall.Signal(1); s < 32; s++ {
		switch s {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGPROF, syscall.SIGURG,
			syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
		default:
			list = append(list, s)
		}
	}
	return list
}

// signalsForwarded sends each signal to a command that prints which one it got.
func (r *Runner) signalsForwarded(t *testing.T) {
	var traps strings.Builder
	for _, s := range forwardedSignals() {
		fmt.Fprintf(&traps, "trap 'echo %[1]d' %[1]d; ", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := r.inSession(ctx, "-quiet", "--", "sh", "-c", traps.String()+"echo up; while :; do sleep 0.02; done")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Equal(t, "up", lines.Text())
	for _, s := range forwardedSignals() {
		require.NoError(t, cmd.Process.Signal(s))
		require.True(t, lines.Scan(), "%v terminated the command", s)
		require.Equal(t, strconv.Itoa(int(s)), lines.Text(), "once, and no other")
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
}

// signalsIgnored runs the program with ignored signals, as nohup(1) and the background jobs of a
// shell without job control have them. The command must ignore them, too.
func (r *Runner) signalsIgnored(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	const command = "grep SigIgn /proc/self/status; echo up; read x; echo still here"
	program, err := filepath.EvalSymlinks(r.path) // the shell's /proc/self/exe is the shell
	require.NoError(t, err)
	cmd := setsid(r.as(exec.CommandContext(ctx, "sh", "-c", `trap '' HUP INT; exec "$0" "$@"`, program,
		"-quiet", "--", "sh", "-c", command)))
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	var mask string
	for lines.Scan() && lines.Text() != "up" {
		mask = lines.Text()
	}
	ignored, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(mask, "SigIgn:")), 16, 64)
	require.NoError(t, err, mask)
	require.EqualValues(t, 3, ignored&3, "SIGHUP and SIGINT are bits 0 and 1: %s", mask)
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		require.NoError(t, cmd.Process.Signal(s))
		require.NoError(t, syscall.Kill(-cmd.Process.Pid, s))
	}
	require.NoError(t, in.Close())
	require.True(t, lines.Scan())
	require.Equal(t, "still here", lines.Text())
	require.NoError(t, cmd.Wait())
}

// Quit checks that SIGQUIT, as from Ctrl-\ at the terminal, terminates the program as other signals
// do: none of its processes prints a stack trace of its goroutines. args are the program's
// arguments.
func Quit(t *testing.T, args ...string) {
	each(t, func(t *testing.T, r *Runner) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		cmd := r.inSession(ctx, args...)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		cmd.Stderr = cmd.Stdout
		require.NoError(t, cmd.Start())
		said := bufio.NewReader(out)
		first, err := said.ReadString('\n')
		require.NoError(t, err, "the program prints a line first")
		require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGQUIT))
		var rest bytes.Buffer
		_, _ = rest.ReadFrom(said)
		_ = cmd.Wait()
		require.Equal(t, 128+3, stage.Status(cmd.ProcessState), "%s%s", first, &rest)
		require.NotContains(t, rest.String(), "goroutine")
		require.NotContains(t, rest.String(), "SIGQUIT")
	})
}
