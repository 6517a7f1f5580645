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

// What the kernel makes of what is written can be tried without a group. Of a thread's name it takes 15 bytes without a
// word. And in coredump_filter a 7 becomes 00000007, as in a list of CPUs 0,1 becomes 0-1: another form, and the same.
func TestPut(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const name, filter = "/proc/thread-self/comm", "/proc/self/coredump_filter"
	for _, file := range []string{name, filter} {
		before, err := os.ReadFile(file)
		if file == filter && errors.Is(err, os.ErrNotExist) {
			t.Skip("this kernel writes no core dumps, and so has no " + filter + " to try it with")
		}
		if file == filter {
			before = append([]byte("0x"), before...) // it says hexadecimal numbers, and takes decimal ones
		}
		claim.NoError(t, "the kernel tells what it holds", err)
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
	claim.True(t, "a setting that the kernel holds in another form is in force", "the function's own error", other == nil, "no error", other)
	claim.True(t, fmt.Sprintf("it is an error if %q is written and the kernel says %q", long.data, held), "the function's own error",
		cut != nil, "an error", cut)
	claim.True(t, "what cannot be written is an error", "the function's own error", refused != nil, "an error", refused)
	claim.True(t, "the error of the one that is not in force says what was written, and where", "the function's own error",
		strings.Contains(fmt.Sprint(cut), long.data) && strings.Contains(fmt.Sprint(cut), name), long.data+" and "+name, cut)
}

// The kernel rounds a limit on memory down to whole pages: that is in force too.
func TestPutLimit(t *testing.T) {
	g := group(t, Resources{Count: []string{"memory"}})
	path := g.File("memory.max")
	err := setting{file: g.Version.Local("memory.max"), data: fmt.Sprint(1<<26 + 1)}.put(path)
	got, _ := read(path)
	claim.State(t, "memory.max", got)
	claim.NoError(t, "a limit that the kernel rounds to whole pages is in force", err)
	claim.Equal(t, "the kernel holds it", path, fmt.Sprint(1<<26), got)
}
