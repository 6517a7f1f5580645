//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// markEnv is inherited by all that the run starts, so that what is left of it can be found.
const markEnv = "CONTAINERKIT_TEST_MARK"

// marked are the processes that have the mark, by their names.
func marked(mark string) (names []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte(markEnv+"="+mark)) {
			name, _ := os.ReadFile(filepath.Dir(f) + "/comm")
			names = append(names, strings.TrimSpace(string(name)))
		}
	}
	return names
}

// TestVerifyInTheVMEndsOnCtrlC interrupts it while its machines run, as a terminal does: the whole process group.
func TestVerifyInTheVMEndsOnCtrlC(t *testing.T) {
	cache := t.TempDir()
	env, err := exec.Command("go", "env", "GOCACHE").Output()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), lessonsEnv+"=verify -profile vm -engine qemu", "XDG_CACHE_HOME="+cache, "GOCACHE="+strings.TrimSpace(string(env)), markEnv+"="+cache)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	progress, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(progress)
	said := ""
	for lines.Scan() && !strings.Contains(lines.Text(), "pass") { // the first test in one of the machines has ended
		if said += lines.Text() + "\n"; strings.Contains(lines.Text(), "is missing") {
			_ = cmd.Wait()
			t.Skip(lines.Text())
		}
	}
	require.NoError(t, lines.Err(), said)
	require.Contains(t, marked(cache), "virtiofsd", "the control: the machines run\n%s", said)
	require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGINT))
	began := time.Now()
	for lines.Scan() {
		said += lines.Text() + "\n"
	}
	_ = cmd.Wait()
	require.Less(t, time.Since(began), 20*time.Second, said)
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), said)
	require.Contains(t, said, "interrupted")
	require.Eventually(t, func() bool { return len(marked(cache)) == 0 }, 5*time.Second, 20*time.Millisecond, "processes are left: %v", marked(cache))
	left, err := filepath.Glob(cache + "/containerkit/*")
	require.NoError(t, err)
	require.Empty(t, left)
}
