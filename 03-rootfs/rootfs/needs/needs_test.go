//go:build linux

package needs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShell(t *testing.T) {
	shell, err := exec.LookPath("sh")
	require.NoError(t, err)
	tree, err := Of(shell)
	require.NoError(t, err)
	for _, l := range tree.Libraries {
		require.NotEmpty(t, l.Path, "%s, needed by %s", l.Name, l.By)
		require.FileExists(t, l.Path)
	}
	require.Equal(t, tree.Interpreter == "", tree.Static())
	require.Contains(t, tree.Files(), shell)
}

func TestStatic(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o644))
	cmd := exec.Command("go", "build", "-o", "static", "main.go")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	tree, err := Of(filepath.Join(dir, "static"))
	require.NoError(t, err)
	require.True(t, tree.Static())
	require.Len(t, tree.Files(), 1)
}

func TestNotAProgram(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755))
	_, err := Of(script)
	require.ErrorContains(t, err, "not an ELF program")
	_, err = Of(script + ".no")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestConfigured(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "ld.so.conf")
	require.NoError(t, os.WriteFile(conf, []byte("# a comment\n/one\ninclude "+dir+"/*.d\n/two # here\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.d"), []byte("/three\ninclude "+conf+"\n"), 0o644))
	got := configured(conf, 7)
	require.Equal(t, "/one", got[0])
	require.Contains(t, got, "/three")
	require.Contains(t, got, "/two")
}
