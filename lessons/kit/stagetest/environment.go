//go:build linux

package stagetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Environment checks that the command gets one entry for each variable, the last one, also if flags
// set it again or the caller has CONTAINERKIT_CONN, which the stages use themselves.
func Environment(t *testing.T, set map[string]string, flags ...string) {
	each(t, func(t *testing.T, r *Runner) {
		r.Env = []string{"CONTAINERKIT_CONN=7"}
		args := append(append([]string{"-quiet"}, flags...), "--", "/bin/cat", "/proc/self/environ")
		res := r.Run(t, args...)
		require.Zero(t, res.Status, res.Stderr)
		got := map[string]string{}
		for entry := range strings.SplitSeq(strings.TrimSuffix(res.Stdout, "\x00"), "\x00") {
			name, value, _ := strings.Cut(entry, "=")
			require.NotContains(t, got, name, "twice: %q", res.Stdout)
			got[name] = value
		}
		for name, value := range set {
			require.Equal(t, value, got[name], name)
		}
	})
}
