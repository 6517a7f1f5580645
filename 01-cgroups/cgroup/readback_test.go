//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"containerkit/lessons/exercise/claim"
)

// Reading back can be tested without a cgroup. The kernel silently keeps 15 bytes of a thread's
// name. And in coredump_filter a 7 becomes 00000007, as in a list of CPUs 0,1 becomes 0-1: another
// format for the same value.
func TestPut(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const name, filter = "/proc/thread-self/comm", "/proc/self/coredump_filter"
	for _, file := range []string{name, filter} {
		before, err := os.ReadFile(file)
		if file == filter && errors.Is(err, os.ErrNotExist) {
			t.Skip("this kernel writes no core dumps, so it has no " + filter)
		}
		if file == filter {
			// the kernel prints hexadecimal numbers and parses decimal ones
			before = append([]byte("0x"), before...)
		}
		claim.NoError(t, "the file can be read", err)
		defer func() { _ = os.WriteFile(file, before, 0) }()
	}
	long := setting{file: "pids.max", data: "1234567890123456789"}
	cut := long.put(name)
	held, _ := read(name)
	other := setting{file: "cpuset.cpus", data: "7"}.put(filter)
	form, _ := read(filter)
	refused := setting{file: "pids.max", data: "20"}.put(filepath.Join(t.TempDir(), "pids.max"))

	claim.State(t, "held", held)
	claim.State(t, "cut", cut)
	claim.State(t, "form", form)
	claim.State(t, "other form", other)
	claim.State(t, "refused", refused)
	claim.Equal(t, "a setting is written", filter, "00000007", form)
	claim.True(t, "a setting that the kernel stores in another format is in force",
		"the function's own error", other == nil, "no error", other)
	claim.True(t, fmt.Sprintf("writing %q is an error if the kernel stores %q", long.data, held),
		"the function's own error",
		cut != nil, "an error", cut)
	claim.True(t, "a setting that cannot be written is an error", "the function's own error",
		refused != nil, "an error", refused)
	claim.True(t, "the error for the setting that is not in force says what was written, and where",
		"the function's own error",
		strings.Contains(fmt.Sprint(cut), long.data) && strings.Contains(fmt.Sprint(cut), name), long.data+" and "+name, cut)
}

// The kernel rounds a limit on memory down to whole pages: that limit is in force, too.
func TestPutLimit(t *testing.T) {
	g := group(t, Resources{Count: []string{"memory"}})
	path := g.File("memory.max")
	err := setting{file: g.Version.Local("memory.max"), data: fmt.Sprint(1<<26 + 1)}.put(path)
	got, _ := read(path)
	claim.State(t, "memory.max", got)
	claim.NoError(t, "a limit that the kernel rounds to whole pages is in force", err)
	claim.Equal(t, "the kernel stores the limit", path, fmt.Sprint(1<<26), got)
}
