//go:build linux

package stagetest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/stage"
)

// LeaksInterrupted checks that no cgroup and no process is left after a signal interrupts the leak
// table: before the container starts, as soon as it has its cgroup, or while the probes run.
func LeaksInterrupted(t *testing.T) {
	each(t, func(t *testing.T, r *Runner) {
		for i, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
			for _, group := range []bool{true, false} {
				r.interruptLeaks(t, s, group, 0, false)
				r.interruptLeaks(t, s, group, 0, true)
				r.interruptLeaks(t, s, group, time.Duration(200+150*i)*time.Millisecond, true)
			}
		}
	})
}

func (r *Runner) interruptLeaks(t *testing.T, s syscall.Signal, group bool, after time.Duration, limited bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := r.inSession(ctx, "leaks")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	require.NoError(t, cmd.Start())
	said := bufio.NewReader(out)
	_, err = said.ReadString('\n')
	require.NoError(t, err)
	pids := []int{cmd.Process.Pid}
	var dirs []string
	for end := time.Now().Add(5 * time.Second); limited && len(dirs) == 0 && time.Now().Before(end); {
		pids = family(cmd.Process.Pid)
		dirs = cgroupsOf(pids) // empty for a user without cgroups
		if os.Geteuid() != 0 || r.home != "" {
			break
		}
	}
	time.Sleep(after)
	began := time.Now()
	if group {
		require.NoError(t, syscall.Kill(-cmd.Process.Pid, s))
	} else {
		require.NoError(t, cmd.Process.Signal(s))
	}
	_, _ = io.Copy(io.Discard, said)
	_ = cmd.Wait()
	what := fmt.Sprintf("%v, to the group: %v, after %v (took %v): %s", s, group, after, time.Since(began), &errs)
	require.Equal(t, 128+int(s), stage.Status(cmd.ProcessState), what)
	for _, dir := range dirs {
		require.NoDirExists(t, dir, what)
	}
	require.Eventually(t, func() bool { return !slices.ContainsFunc(pids, running) }, 10*time.Second,
		10*time.Millisecond, "%v: %v", what, pids)
}

// family returns a process and its descendants.
func family(pid int) []int {
	all := []int{pid}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		raw, _ := os.ReadFile(f)
		for _, word := range strings.Fields(string(raw)) {
			var child int
			if _, err := fmt.Sscan(word, &child); err == nil {
				all = append(all, family(child)...)
			}
		}
	}
	return all
}

// cgroupsOf returns the cgroup directories that the processes have open.
func cgroupsOf(pids []int) (dirs []string) {
	for _, pid := range pids {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range fds {
			if dir, err := os.Readlink(fd); err == nil && strings.Contains(dir, "/containerkit/") {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
