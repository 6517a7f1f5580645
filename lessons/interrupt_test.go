//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise"
)

// TestSignalsEndACheck checks that a signal stops a check and all processes that it started,
// including the learner's code, which never returns. The exit status names the signal.
func TestSignalsEndACheck(t *testing.T) {
	kit := newKit(t)
	list, err := exercise.Find("02-namespaces/hostname")
	require.NoError(t, err)
	const code = "//go:build linux && mine\n\npackage namespace\n\nimport \"time\"\n\nfunc SetHostname(string) error {\n" +
		"\ttime.Sleep(time.Hour)\n\treturn nil\n}\n"
	require.NoError(t, os.WriteFile(filepath.Join(kit, list[0].File), []byte(code), 0o644))
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		tmp := t.TempDir()
		cmd := exec.Command("/proc/self/exe")
		cmd.Dir = kit
		cmd.Env = append(os.Environ(), lessonsEnv+"=check 02-namespaces/hostname", "TMPDIR="+tmp)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		require.NoError(t, cmd.Start())
		require.Eventually(t, func() bool {
			return slices.ContainsFunc(with("TMPDIR="+tmp), func(path string) bool {
				raw, _ := os.ReadFile(filepath.Dir(path) + "/cmdline")
				return strings.HasPrefix(string(raw), "containerkit-hostname") // the test's child, in the code
			})
		}, 2*time.Minute, 20*time.Millisecond, "the code does not run")
		require.NoError(t, cmd.Process.Signal(sig))
		_ = cmd.Wait()
		require.Equal(t, 128+int(sig), cmd.ProcessState.ExitCode(), "%v: %s", sig, said.String())
		require.Empty(t, said.String(), sig)
		left, err := os.ReadDir(tmp)
		require.NoError(t, err)
		require.Empty(t, left, sig)
		require.Empty(t, with("TMPDIR="+tmp), "%v: processes are left", sig)
	}
}

// with returns the processes whose environment contains the word.
func with(word string) (paths []string) {
	names, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range names {
		if raw, err := os.ReadFile(name); err == nil && strings.Contains(string(raw), word) {
			paths = append(paths, name)
		}
	}
	return paths
}
