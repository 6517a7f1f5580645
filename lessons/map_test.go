//go:build linux

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMap(t *testing.T) {
	for _, c := range []struct {
		words    string
		says     string
		not      string
		rows     int
		finished string
	}{
		{"--memory", "-m, --memory\n    does    ", "memory-swap", 1, ""},
		{"-m", "    step    go run ./01-cgroups memory\n    here    01-cgroups/cgroup/", "", 1, ""},
		{"hostname", "config.json\n  hostname\n", "domainname", 2, ""},
		{"--restart", "    kernel  nothing", "step", 1, ""},
		{"domainname", "    step    none: the course only names it\n", "here", 2, ""},
		{"-p 8080:80", "  -p, --publish\n", "", 1, ""},
		{"-p8080:80", "  -p, --publish\n", "", 1, ""},
		{"--memory=64m", "  -m, --memory\n", "memory-swap", 1, ""},
		{"--memory 64m --rm", "  --rm\n", "", 2, ""},
		{"docker run -it --rm alpine -x", "docker run\n  -i, --interactive\n", "-x", 3, ""},
		{"seccomp", "  linux.seccomp.syscalls[]: rules\n", "    kernel", 0, " rows: name one of them to see it in full\n"},
	} {
		status, out, errs := lessons(append([]string{"map"}, strings.Fields(c.words)...)...)
		require.Zero(t, status, "%s: %s", c.words, errs)
		require.Contains(t, out, c.says, c.words)
		require.Equal(t, c.rows, strings.Count(out, "    does    "), out)
		require.True(t, strings.HasSuffix(out, c.finished), out)
		if c.not != "" {
			require.NotContains(t, out, c.not, c.words)
		}
		for line := range strings.Lines(out) {
			require.LessOrEqual(t, len([]rune(line)), 81, line)
		}
	}
	status, out, errs := lessons("map", "-p 8080:80") // quoted
	require.Zero(t, status, errs)
	require.Contains(t, out, "  -p, --publish\n")
	status, out, errs = lessons("map", "--no-such-flag")
	require.Equal(t, 1, status)
	require.Empty(t, out)
	require.Contains(t, errs, `nothing on the map has "--no-such-flag"`)
	status, _, errs = lessons("map")
	require.Equal(t, 2, status)
	require.Contains(t, errs, "which flag")
	status, out, _ = lessons("map", "--help")
	require.Zero(t, status)
	require.Contains(t, out, "go run ./lessons map --memory")
}
