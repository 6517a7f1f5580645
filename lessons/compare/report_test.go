package compare

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the book says of a report is what the file says.
func TestSource(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "r.json"), []byte(`{"date": "2026-01-02", "rounds": 20, "rounds_with_vm": 3,
		"machine": {"kernel": "6.18.0", "arch": "amd64", "cpus": 2, "memory_gib": 7.8, "cgroup": "cgroup v2", "virtual": true, "root": true, "no_kvm": "no /dev/kvm"},
		"rows": [{"name": "process", "made": "fork", "start_ms": {"n": 20, "median": 1.5, "p10": 1.2, "p90": 1.7}, "whole_ms": {"median": 2}, "memory_mib": 1.84, "disk_mib": 2},
			{"name": "vm, qemu", "made": "a machine", "start_ms": {"median": 3456}, "whole_ms": {"median": 4000}, "memory_mib": 512.3, "disk_mib": 20},
			{"name": "docker", "missing": "not | here"}]}`), 0o644))
	ask := func(args ...string) (string, error) {
		return Source(root, "docs/x.md", append([]string{"r.json"}, args...))
	}
	for want, args := range map[string][]string{
		"1.5 ms":  {"process", "start"},
		"3.46 s":  {`"vm, qemu"`, "start"},
		"512 MiB": {`"vm, qemu"`, "memory"},
		"1.8 MiB": {"process", "memory"},
		"2300":    {`"vm, qemu/process"`, "start"},
		"10":      {`"vm, qemu/process"`, "disk"},
		"1.0":     {"process/process", "whole"},
	} {
		got, err := ask(args...)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	got, err := ask("machine")
	require.NoError(t, err)
	require.Equal(t, "Measured on 2026-01-02 by `go run ./lessons compare -json -n 20 -vm 3`: the kinds in turns, the median of 20 rounds (3 with virtual machines). "+
		"The machine: Linux 6.18.0, amd64, 2 CPUs, 8 GiB, cgroup v2, as root; it is a virtual machine itself; QEMU emulates the processor: no /dev/kvm.", got)
	got, err = ask("table")
	require.NoError(t, err)
	require.Contains(t, got, "| process | 1.5 ms | 1.2 ms – 1.7 ms | 2.0 ms | 1.8 MiB | 2.0 MiB | fork |\n")
	require.Contains(t, got, `| docker | not measured: not \| here |`)

	for says, args := range map[string][]string{
		"want compare FILE":       {},
		"was not measured: not |": {"docker", "start"},
		"there is no row podman":  {"podman", "start"},
		"and no color":            {"process", "color"},
		"process of what?":        {"process"},
	} {
		_, err := ask(args...)
		require.ErrorContains(t, err, says)
	}
	_, err = Source(root, "docs/x.md", []string{"none.json", "table"})
	require.ErrorContains(t, err, "there is no none.json: go run ./lessons compare")
}
