//go:build linux

package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/compare"
)

// TestCompare measures a few rounds: our container starts its program, and takes longer than a
// process.
func TestCompare(t *testing.T) {
	// A private TMPDIR, to see what is left in it. It is open to the host UID that root in the
	// container maps to.
	tmp, err := os.MkdirTemp("", "c")
	require.NoError(t, err)
	defer os.RemoveAll(tmp)
	require.NoError(t, os.Chmod(tmp, 0o755))
	t.Setenv("TMPDIR", tmp)
	status, out, errs := lessons("compare", "-json", "-n", "3", "-vm", "0")
	require.Zero(t, status, errs)
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left, "nothing is left behind")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	require.NotContains(t, string(mounts), tmp)
	var report compare.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, 3, report.Rounds)
	require.NotEmpty(t, report.Machine.Kernel)
	require.Positive(t, report.Machine.CPUs)
	require.Positive(t, report.Machine.Memory)
	by := map[string]compare.Row{}
	for _, r := range report.Rows {
		by[r.Name] = r
		if r.Missing == "" {
			require.Equal(t, 3, r.Start.N, r.Name)
			require.Positive(t, r.Start.Median)
			require.GreaterOrEqual(t, r.Whole.Median, r.Start.Median)
			require.Positive(t, r.Disk)
		}
	}
	require.Empty(t, by["process"].Missing)
	require.Empty(t, by["containerkit"].Missing, errs)
	g, noGroup := cgroup.New("compared", cgroup.Resources{Pids: 64})
	if noGroup == nil {
		require.NoError(t, g.Remove())
	}
	require.Equal(t, noGroup == nil, strings.Contains(by["containerkit"].Made, "cgroup limits"), by["containerkit"].Made)
	require.Greater(t, by["containerkit"].Start.Median, by["process"].Start.Median)
	require.NotEmpty(t, by["vm, qemu"].Missing)

	status, _, errs = lessons("compare", "-n", "0")
	require.Equal(t, 2, status)
	require.Contains(t, errs, "at least one round")
}
