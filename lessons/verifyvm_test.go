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

// markEnv is inherited by every process of the run, so that leftovers can be found.
const markEnv = "CONTAINERKIT_TEST_MARK"

// marked returns the names of the processes that have the mark.
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

// TestVerifyInTheVMEndsOnCtrlC interrupts it while its machines run, as a terminal does: the whole
// process group.
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
	for lines.Scan() && !strings.Contains(lines.Text(), "pass") { // the first test in one of the machines has finished
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

// TestReadRun checks that a package can fail although each of its tests has passed, and that a
// passing one does not.
func TestReadRun(t *testing.T) {
	dir := t.TempDir()
	program := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755))
		return path
	}
	said := `printf '\026=== RUN   TestA\n\026--- PASS: TestA (1.25s)\n\026PASS\n'; `
	script := runTests([]testPackage{
		{"containerkit/x", dir, program("good", said)},
		{"containerkit/y", dir, program("bad", said+"echo something was left behind; exit 1")},
	})
	out, err := exec.Command("sh", "-c", script).Output()
	require.NoError(t, err)
	var progress bytes.Buffer
	run, err := readRun(bytes.NewReader(out), "root", &progress)
	require.NoError(t, err)
	var got []string
	for _, r := range run.Tests {
		got = append(got, r.Package+" "+r.Name+" "+r.Result)
	}
	require.Equal(t, []string{"containerkit/x TestA pass", "containerkit/y TestA pass", "containerkit/y  fail"}, got)
	require.Contains(t, run.Tests[2].Output, "left behind")
	require.Contains(t, progress.String(), "root     pass    1.25s  x TestA\n")
	require.Regexp(t, `root     ok +[0-9.]+s  x in total`, progress.String())
	require.Regexp(t, `root     FAIL +[0-9.]+s  y in total`, progress.String())
}
