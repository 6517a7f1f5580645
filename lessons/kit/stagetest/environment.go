//go:build linux

package stagetest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/errno"
)

// TimeNamespace checks that a container starts in a time namespace whose clocks are ahead of or
// behind the machine's, and that the container's uptime starts at 0.
func TimeNamespace(t *testing.T) {
	if _, err := os.Stat("/proc/self/ns/time"); err != nil {
		t.Skip(err)
	}
	if why := errno.NoUserNamespace(); why != "" {
		t.Skip(why)
	}
	each(t, func(t *testing.T, r *Runner) {
		for _, seconds := range []string{"500000", "-1"} {
			out, err := r.shell(t, "exec unshare --user --map-root-user --time --fork --boottime "+seconds+
				" --monotonic "+seconds+" '"+r.executable(t)+"' -quiet -- cut -d. -f1 /proc/uptime")
			require.NoError(t, err, out)
			up, err := strconv.Atoi(out)
			require.NoError(t, err, out)
			require.Less(t, up, 60, "%s seconds ahead", seconds)
		}
	})
}

// FewFiles checks that the program exits with one line about the limit if its limit on open files
// is too low, before it creates anything.
func FewFiles(t *testing.T) {
	each(t, func(t *testing.T, r *Runner) {
		for _, n := range []int{10, 16, 64, 128} {
			out, err := r.shell(t, fmt.Sprintf("ulimit -n %d; exec '%s' -quiet -- true", n, r.executable(t)))
			if n == 128 {
				require.NoError(t, err, out)
				continue
			}
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "%d", n)
			require.Equal(t, 125, exit.ExitCode(), out)
			require.Contains(t, out, "ulimit -n", "%d", n)
			require.NotContains(t, out, "\n", "%d", n)
		}
	})
}

// executable returns a path of the program that other programs can use, too.
func (r *Runner) executable(t testing.TB) string {
	t.Helper()
	if r.home != "" {
		return r.path
	}
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// Environment checks that the command gets one entry for each variable, with the last value, even
// if flags set it again or the caller has CONTAINERKIT_CONN, which the stages use themselves.
func Environment(t *testing.T, set map[string]string, flags ...string) {
	each(t, func(t *testing.T, r *Runner) {
		r.Env = []string{"CONTAINERKIT_CONN=7"}
		args := append(append([]string{"-quiet"}, flags...), "--", "/bin/cat", "/proc/self/environ")
		res := r.Run(t, args...)
		require.Zero(t, res.Status, res.Stderr)
		got := map[string]string{}
		for entry := range strings.SplitSeq(strings.TrimSuffix(res.Stdout, "\x00"), "\x00") {
			name, value, _ := strings.Cut(entry, "=")
			require.NotContains(t, got, name, "set twice: %q", res.Stdout)
			got[name] = value
		}
		for name, value := range set {
			require.Equal(t, value, got[name], name)
		}
	})
}
