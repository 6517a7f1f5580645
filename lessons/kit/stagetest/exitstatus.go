//go:build linux

package stagetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// programs has files that cannot be executed.
var programs = map[string]string{
	"no-interpreter": "#!/opt/nope -e\n",
	"windows":        "#!/bin/sh\r\necho hi\r\n",
	"no-head":        "echo hi\n",
	"other-machine":  "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 100),
	"not-executable": "#!/bin/sh\n",
}

// A status is a command with its exit status and what the program prints about it.
type status struct {
	argv []string
	want int
	says string
}

// statuses has the exit statuses of commands that exist in every root, or in none.
var statuses = []status{
	{[]string{"true"}, 0, ""},
	{[]string{"sh", "-c", "exit 3"}, 3, ""},
	{[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
	{[]string{"sh", "-c", "kill -KILL $$"}, 128 + 9, ""},
	{[]string{""}, 2, "-- needs a command"},
	{[]string{"no-such-command"}, 127, "no-such-command"},
	{[]string{"/no/such/file"}, 127, "exec /no/such/file: no such file or directory"},
	{[]string{"/etc/passwd"}, 126, "exec /etc/passwd: permission denied"},
	{[]string{"/etc"}, 126, "exec /etc: permission denied"},
	{[]string{"/etc/passwd/x"}, 126, "exec /etc/passwd/x: not a directory"},
}

// broken has the exit statuses of the files in programs.
var broken = []status{
	{[]string{"no-interpreter"}, 127, `interpreter "/opt/nope" is missing`},
	{[]string{"windows"}, 127, `interpreter "/bin/sh\r" is missing`},
	{[]string{"no-head"}, 126, "exec format error"},
	{[]string{"other-machine"}, 126, "exec format error"},
	{[]string{"not-executable"}, 126, "permission denied"},
}

// ExitStatus checks the exit statuses of the stage: the command's own, 128+n, or 127 or 126 with a
// line that says why. volume returns the flags that mount a directory of the host at the same path.
// It is nil if the command sees the host's files anyway.
func ExitStatus(t *testing.T, volume func(dir string) []string) {
	ExitStatusOfCommands(t)
	each(t, func(t *testing.T, r *Runner) {
		dir := executables(t)
		var flags []string
		if volume != nil {
			flags = volume(dir)
		}
		for _, s := range broken {
			s.argv = []string{filepath.Join(dir, s.argv[0])}
			r.exits(t, flags, s)
		}
	})
}

// ExitStatusOfCommands is ExitStatus for a stage that cannot mount a directory of the host.
func ExitStatusOfCommands(t *testing.T) {
	each(t, func(t *testing.T, r *Runner) {
		for _, s := range statuses {
			r.exits(t, nil, s)
		}
	})
}

// HostsFilesUnseen checks that an error says nothing about a file that only the host has.
func HostsFilesUnseen(t *testing.T) {
	each(t, func(t *testing.T, r *Runner) {
		path := filepath.Join(executables(t), "no-interpreter")
		res := r.Run(t, "-quiet", "--", path)
		require.Equal(t, 127, res.Status, res.Stderr)
		require.Contains(t, res.Stderr, path+": no such file or directory")
		require.NotContains(t, res.Stderr, "/opt/nope")
	})
}

// each runs a test as the current user, and as an ordinary user.
func each(t *testing.T, f func(*testing.T, *Runner)) {
	t.Run("me", func(t *testing.T) { f(t, Me()) })
	t.Run("user", func(t *testing.T) { f(t, AsUser(t)) })
}

func (r *Runner) exits(t *testing.T, flags []string, s status) {
	t.Helper()
	args := append(append([]string{"-quiet"}, flags...), "--")
	res := r.Run(t, append(args, s.argv...)...)
	require.Equal(t, s.want, res.Status, "%q: %s", s.argv, res.Stderr)
	require.Contains(t, res.Stderr, s.says, "%q", s.argv)
	require.Equal(t, s.says == "", res.Stderr == "", "%q: %s", s.argv, res.Stderr)
	if s.want != 2 { // a usage error says in a second line how to get help
		require.LessOrEqual(t, strings.Count(res.Stderr, "\n"), 1, "%q: %s", s.argv, res.Stderr)
	}
}

// executables writes the programs into a directory that every user can enter.
func executables(t *testing.T) string {
	t.Helper()
	dir := temporary(t)
	for name, text := range programs {
		mode := os.FileMode(0o755)
		if name == "not-executable" {
			mode = 0o644
		}
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		require.NoError(t, os.Chmod(path, mode)) // whatever the umask is
	}
	return dir
}
