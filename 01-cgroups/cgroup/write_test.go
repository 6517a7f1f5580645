//go:build linux

package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/claim"
)

// Every file of the kernel is written in the same way. Every user can write to this one: the name
// of a thread.
func TestWrite(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const name = "/proc/thread-self/comm"
	before, err := read(name)
	claim.NoError(t, "a thread's name can be read", err)
	defer func() { _ = os.WriteFile(name, []byte(before), 0) }()
	err = write(name, "a-limit")
	now, _ := read(name)
	missing := filepath.Join(t.TempDir(), "pids.max")
	refused := write(missing, "20")
	_, created := os.Stat(missing)
	var told *WriteError

	claim.State(t, "file", now)
	claim.State(t, "created", created == nil)
	claim.State(t, "refused", refused)
	claim.NoError(t, "a file of the kernel can be written", err)
	claim.Equal(t, "the file contains what was written", name, "a-limit", now)
	claim.True(t, "a file that is not there is an error", "the function's own error", refused != nil, "an error", refused)
	claim.True(t, "…and is not created: its controller is missing", "stat(2)", created != nil,
		"no such file", "it has been created")
	claim.True(t, "the error is the kernel's", "the function's own error", errors.Is(refused, unix.ENOENT), unix.ENOENT, refused)
	claim.True(t, "…and says what was written where", "the function's own error",
		errors.As(refused, &told) && told.Path == missing && told.Data == "20", "a *WriteError with path and data", refused)
}

// A real limit, if cgroups can be created.
func TestWriteLimit(t *testing.T) {
	g := group(t, Resources{Count: []string{"pids"}})
	claim.NoError(t, "a limit can be set", g.Set("pids.max", "20"))
	got, err := g.Get("pids.max")
	claim.NoError(t, "a cgroup has a file pids.max", err)
	claim.State(t, g.File("pids.max"), got)
	claim.Equal(t, "the kernel stores the limit", g.File("pids.max"), "20", got)
}
