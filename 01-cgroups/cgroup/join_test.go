//go:build linux

package cgroup

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/kit/child"
)

// The joiner opens files, joins by them, and sends back its cgroups.
var joiner = child.Register("cgroup-joiner", func(c *child.Conn) error {
	var names []string
	if err := c.Receive(&names); err != nil {
		return err
	}
	var files []*os.File
	for _, name := range names {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	said := ""
	if err := JoinSelf(files); err != nil {
		said = err.Error()
	}
	own, err := read("/proc/thread-self/cgroup")
	if err != nil {
		return err
	}
	return c.Send([]string{said, own})
})

// A process that joins is in every cgroup whose file it was given. On v1 that is one in each
// hierarchy. On v2, which has one hierarchy, it is the last one.
func TestJoinSelf(t *testing.T) {
	first, second := group(t, Resources{Pids: 20}), group(t, Resources{Pids: 20})
	var names []string
	want := 0
	if first.Version == V2 {
		names, want = []string{first.File("cgroup.procs"), second.File("cgroup.procs")}, 2
	} else {
		for _, dir := range second.all() {
			names = append(names, filepath.Join(dir, "tasks"))
		}
		want = len(names)
	}
	p, err := child.Command(joiner)
	require.NoError(t, err)
	require.NoError(t, p.Start())
	defer p.Close()
	var said []string
	require.NoError(t, p.Send(names))
	require.NoError(t, p.Receive(&said))
	in := strings.Count(said[1], "/"+second.Name)
	if first.Version == V2 { // one hierarchy: a process in the second cgroup has left the first
		in *= 2
		if strings.Contains(said[1], "/"+first.Name) {
			in = 1
		}
	}
	claim.State(t, "groups", in)
	claim.State(t, "wanted", want)
	claim.True(t, "a process that writes to the opened files joins", "the function's own error",
		said[0] == "", "no error", said[0])
	claim.Equal(t, "it has joined each cgroup that it was given",
		"/proc/PID/cgroup, the cgroups named there", want, in)
}

// If no cgroup can be created, plain files show at least what is written to them.
func TestJoinSelfFiles(t *testing.T) {
	var files, looks []*os.File
	for _, name := range []string{"pids", "memory", "freezer"} {
		f, err := os.Create(filepath.Join(t.TempDir(), name))
		require.NoError(t, err)
		defer f.Close()
		look, err := os.Open(f.Name())
		require.NoError(t, err)
		defer look.Close()
		// In a container's root the name leads nowhere, or to another file. Only the file
		// descriptor is left.
		require.NoError(t, os.Remove(f.Name()))
		files, looks = append(files, f), append(looks, look)
	}
	err := JoinSelf(files)
	in, wrote := 0, ""
	for _, look := range looks {
		raw, err := io.ReadAll(look)
		require.NoError(t, err)
		wrote = strings.TrimSpace(wrote + " " + string(raw))
		if id := strings.TrimSpace(string(raw)); id == "0" || id == strconv.Itoa(os.Getpid()) {
			in++
		}
	}
	claim.State(t, "groups", in)
	claim.State(t, "wanted", len(files))
	claim.State(t, "wrote", wrote)
	claim.NoError(t, "a process that writes to the opened files joins", err)
	claim.Equal(t, "the writer is named in each file", "plain files in place of the cgroups",
		len(files), in)
	refused, err := os.Open(os.DevNull) // not open for writing
	require.NoError(t, err)
	defer refused.Close()
	err = JoinSelf([]*os.File{refused})
	var told *WriteError
	claim.True(t, "a cgroup that cannot be joined is an error", "the function's own error",
		err != nil, "an error", err)
	claim.True(t, "…and says what was written where", "the function's own error", errors.As(err, &told) && told.Path == os.DevNull,
		"a *WriteError with path and data", err)
}
