//go:build linux

package rootfs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestParseVolume(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Volume
		err  string
	}{
		{"/a:/b", Volume{"/a", "/b", false}, ""},
		{"/a:/b/../c/", Volume{"/a", "/c", false}, ""},
		{"/a:/b:ro", Volume{"/a", "/b", true}, ""},
		{"/a:/b:rw", Volume{"/a", "/b", false}, ""},
		{"/a:/b:rx", Volume{}, "ro or rw"},
		{"/a", Volume{}, "want SOURCE:TARGET"},
		{"", Volume{}, "want SOURCE:TARGET"},
		{":/b", Volume{}, "the source is empty"},
		{"/a:", Volume{}, "absolute"},
		{"/a:b", Volume{}, "absolute"},
		{"/a:/", Volume{}, "below /"},
		{"/a:/b:ro:x", Volume{}, "want SOURCE:TARGET"},
		{"/a:/proc", Volume{}, "its own /proc"},
		{"/a:/x/../proc/sys/", Volume{}, "its own /proc"},
		{"/a:/dev/.", Volume{}, "its own /dev"},
		{"/a:/dev/shm", Volume{"/a", "/dev/shm", false}, ""},
		{"/a:/process", Volume{"/a", "/process", false}, ""},
	} {
		got, err := ParseVolume(c.in)
		if c.err != "" {
			require.ErrorContains(t, err, c.err, c.in)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

func TestCheck(t *testing.T) {
	require.NoError(t, Spec{}.Check())
	require.NoError(t, Spec{Volumes: []Volume{{"/no/such", "/x", true}}}.Check())
	require.ErrorContains(t, Spec{Volumes: []Volume{{"/tmp", "/", true}}}.Check(), "below /")
	require.ErrorContains(t, Spec{Volumes: []Volume{{"/tmp", "x", true}}}.Check(), "absolute")
	require.ErrorContains(t, Spec{Volumes: []Volume{{"/tmp", "/proc", true}}}.Check(), "/proc")
}

func TestSpecTravels(t *testing.T) {
	want := Spec{Dir: "/a", Layers: []string{"/b"}, ReadOnly: true, Volumes: []Volume{{"/c", "/d", true}}, Hostname: "h", Hosts: "x", Resolv: "y", Size: 7}
	raw, err := json.Marshal(want)
	require.NoError(t, err)
	var got Spec
	require.NoError(t, json.Unmarshal(raw, &got))
	require.Equal(t, want, got)
	require.Equal(t, []string{"/a", "/b"}, want.lower())
}

// TestMakeIn holds the resolution of targets to the root: whatever an image puts in the way, nothing is made outside.
func TestMakeIn(t *testing.T) {
	top := t.TempDir()
	root := filepath.Join(top, "root")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "dir"), 0o755))
	for name, to := range map[string]string{
		"absolute": "/", "up": "../../../..", "outside": top, "dangling": "/not/there", "relative": "dir/not", "circle": "circle",
		"dir/back": "..", "magic": "/proc/self/root",
	} {
		require.NoError(t, os.Symlink(to, filepath.Join(root, name)))
	}
	for target, want := range map[string]string{
		"/dir/a":        "/dir/a",
		"/x/y/z":        "/x/y/z",
		"/../../b":      "/b",
		"/absolute/c":   "/c",
		"/up/d":         "/d",
		"/outside/e":    top + "/e",
		"/dangling/f":   "/not/there/f",
		"/relative/g":   "/dir/not/g",
		"/dir/back/h":   "/h",
		"/magic/i":      "/proc/self/root/i",
		"/dir/../dir/j": "/dir/j",
	} {
		fd, err := makeIn(root, target, true, 0)
		require.NoError(t, err, target)
		got, err := os.Readlink("/proc/self/fd/" + itoa(fd))
		require.NoError(t, err)
		require.NoError(t, unix.Close(fd))
		require.Equal(t, root+want, got, target)
	}
	_, err := makeIn(root, "/circle/k", true, 0)
	require.Error(t, err)
	fd, err := makeIn(root, "/new/file", false, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Close(fd))
	require.FileExists(t, filepath.Join(root, "new/file"))
	names, err := os.ReadDir(top)
	require.NoError(t, err)
	require.Len(t, names, 1, "something was made outside")
}

func TestTables(t *testing.T) {
	for _, p := range append(Masked[:len(Masked):len(Masked)], ReadOnlyPaths...) {
		require.True(t, strings.HasPrefix(p.Name, "/proc/") || strings.HasPrefix(p.Name, "/sys/"), p.Name)
		require.NotEmpty(t, p.Why)
	}
}

func itoa(n int) string { raw, _ := json.Marshal(n); return string(raw) }
