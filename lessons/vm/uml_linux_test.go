package vm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What goes in and out is many times what a serial line's buffer holds.
func TestBytesPassUnchangedInBothDirections(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		data := make([]byte, 300_000)
		for i := range data {
			data[i] = byte(i * i >> 7) // all bytes, control characters too
		}
		r := prepare(t, engine, nil, "sh", "-c", "tee /dev/stderr")
		// The description too is longer than the buffer.
		r.Env = append(r.Env, "PATH="+os.Getenv("PATH")+strings.Repeat(":/nothing", 1000))
		r.Stdin = bytes.NewReader(data)
		require.Zero(t, r.status(), &r.err)
		require.Equal(t, sha256.Sum256(data), sha256.Sum256(r.out.Bytes()), "%d bytes came back", r.out.Len())
		require.True(t, bytes.HasSuffix(r.err.Bytes(), data), "%d bytes on standard error", r.err.Len())
	})
}

func TestUMLTellsWhatItsKernelWasBuiltWithout(t *testing.T) {
	all := "CONFIG_TIME_NS=y\nCONFIG_CPUSETS=y\nCONFIG_SMP=y\nCONFIG_PSI=y\nCONFIG_NF_TABLES_IPV4=m\nCONFIG_CGROUP_HUGETLB=y\n"
	require.Empty(t, umlLacks([]byte(all)))
	require.Equal(t, []string{"time namespace (02-namespaces time, 02-namespaces all)"},
		umlLacks([]byte(strings.Replace(all, "CONFIG_TIME_NS=y", "# CONFIG_TIME_NS is not set", 1))))
	require.Len(t, umlLacks(nil), len(umlOptions))
}

// TestUMLLacksWhatItSays asks the running kernel for each thing, in the way in which that shows.
func TestUMLLacksWhatItSays(t *testing.T) {
	if _, err := choose(&Config{Engine: "uml", Memory: 1024}); err != nil {
		t.Skip(err)
	}
	r := prepare(t, "uml", nil, "sh", "-c", `
		test -e /proc/self/ns/time && echo time namespace
		grep -qw cpuset /sys/fs/cgroup/cgroup.controllers && echo cpuset controller
		test "$(nproc)" -gt 1 && echo second CPU
		test -e /proc/pressure/cpu && echo pressure files
		grep -qw hugetlb /sys/fs/cgroup/cgroup.controllers && echo hugetlb controller
		grep -qw memory /sys/fs/cgroup/cgroup.controllers && echo memory controller`)
	_ = r.status() // of the last line
	has := strings.Split(strings.TrimSpace(r.out.String()), "\n")
	require.Contains(t, has, "memory controller", "the control: %s", &r.err)
	var lacks []string
	for _, l := range (uml{}).Lacks() {
		name, _, _ := strings.Cut(l, " (")
		lacks = append(lacks, name)
	}
	for _, o := range umlOptions {
		if o.words == "nftables for IPv4" {
			continue // no file shows it: the doctor tries it
		}
		require.NotEqual(t, slices.Contains(has, o.words), slices.Contains(lacks, o.words), "%s: it has %v, and says that it lacks %v", o.words, has, lacks)
	}
}

func TestUMLTellsWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := uml{}.Available(&Config{Memory: 512})
	var missing *Missing
	require.ErrorAs(t, err, &missing)
	require.Contains(t, command(missing.Install, "debian"), "apt install user-mode-linux")
	require.NotContains(t, err.Error(), "\n")
}

// A kernel is asked for its version, so anything else is found out before it is started as one.
func TestUMLRefusesWhatIsNoKernelOfItsKind(t *testing.T) {
	true_, err := exec.LookPath("true")
	require.NoError(t, err)
	script := filepath.Join(t.TempDir(), "kernel")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho 1.2.3\n"), 0o755))
	for kernel, want := range map[string]string{
		"/nothing/here": "/nothing/here",
		"/etc/passwd":   "permission denied",
		true_:           "is it User-mode Linux",
		script:          fmt.Sprintf("%q", "1.2.3"),
	} {
		require.ErrorContains(t, uml{}.Available(&Config{Kernel: kernel, Memory: 512}), want)
	}
}

func TestUMLRefusesMoreMemoryThanItsFileCanHold(t *testing.T) {
	if err := (uml{}).Available(&Config{Memory: 64}); err != nil {
		var missing *Missing
		require.True(t, errors.As(err, &missing), err)
		t.Skip(err)
	}
	require.ErrorContains(t, uml{}.Available(&Config{Memory: 1 << 30}), "half of this machine's memory")
}
