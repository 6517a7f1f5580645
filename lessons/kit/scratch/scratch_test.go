//go:build linux

package scratch

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	ownerEnv = "CONTAINERKIT_SCRATCH_OWNER"
	aloneEnv = "CONTAINERKIT_SCRATCH_ALONE"
)

// TestMain can also run as the owner of a directory that does not clean up.
func TestMain(m *testing.M) {
	if os.Getenv(ownerEnv) != "" {
		d, err := New()
		if err != nil {
			panic(err)
		}
		_ = os.WriteFile(d.Join("file"), nil, 0o644)
		os.Stdout.WriteString(d.Path + "\n")
		select {}
	}
	os.Exit(m.Run())
}

func TestRemove(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d, err := New()
	require.NoError(t, err)
	outside := filepath.Join(os.TempDir(), "outside")
	require.NoError(t, os.Mkdir(outside, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "file"), nil, 0o644))
	require.NoError(t, os.Symlink(outside, d.Join("link")))
	require.NoError(t, os.MkdirAll(d.Join("a/b/c"), 0o755))
	require.NoError(t, os.WriteFile(d.Join("a/b/file"), nil, 0o400))
	require.NoError(t, os.Chmod(d.Join("a/b"), 0))
	// These modes do not stop root; they matter when an ordinary user runs this test.
	require.NoError(t, os.MkdirAll(d.Join("closed/to/writing"), 0o755))
	require.NoError(t, os.WriteFile(d.Join("closed/to/file"), nil, 0o644))
	require.NoError(t, os.Chmod(d.Join("closed/to"), 0o555))
	require.NoError(t, os.Chmod(d.Join("closed"), 0o500))
	require.NoError(t, d.Remove())
	require.NoError(t, d.Remove(), "a second call has no effect")
	require.NoDirExists(t, d.Path)
	require.FileExists(t, filepath.Join(outside, "file"), "Remove followed a link")
}

func TestSweep(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	mine, err := New()
	require.NoError(t, err)
	defer mine.Remove()
	other := filepath.Join(os.TempDir(), "something-else")
	require.NoError(t, os.Mkdir(other, 0o755))

	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), ownerEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	theirs := lines.Text()

	removed, err := Sweep()
	require.NoError(t, err)
	require.Empty(t, removed, "their owners still run")
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	removed, err = Sweep()
	require.NoError(t, err)
	require.Equal(t, []string{theirs}, removed)
	require.DirExists(t, mine.Path)
	require.DirExists(t, other)
}

// TestMount removes a directory in which something is mounted. The mounted files must stay.
func TestMount(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d, err := New()
	require.NoError(t, err)
	victim := filepath.Join(os.TempDir(), "victim")
	require.NoError(t, os.Mkdir(victim, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(victim, "file"), nil, 0o644))
	require.NoError(t, os.Mkdir(d.Join("mnt"), 0o755))
	// The mount is in a new mount namespace, and this test binary calls Sweep there.
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
		`mount --bind "$1" "$2" && exec "$3" -test.run '^TestSweepOverMount$' -test.v`,
		"sh", victim, d.Join("mnt"), "")
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd.Args[len(cmd.Args)-1] = exe
	cmd.Env = append(os.Environ(), "CONTAINERKIT_SCRATCH_MOUNT=1")
	d.release() // for others, the owner has exited
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Skip(err)
	}
	require.NoError(t, err, "%s", out)
	require.FileExists(t, filepath.Join(victim, "file"))
	_, err = Sweep()
	require.NoError(t, err)
	require.NoDirExists(t, d.Path, "without the mount, Sweep must remove it")
}

// TestSweepOverMount is the inner half of TestMount.
func TestSweepOverMount(t *testing.T) {
	if os.Getenv("CONTAINERKIT_SCRATCH_MOUNT") == "" {
		t.Skip("runs inside TestMount")
	}
	removed, err := Sweep()
	require.Error(t, err, "the error must say that something is mounted there")
	require.Empty(t, removed)
}

// A path with a symbolic link leads elsewhere in a process with another root.
func TestNoLinkInThePath(t *testing.T) {
	real := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(real, link))
	t.Setenv("TMPDIR", link+"/")
	d, err := New()
	require.NoError(t, err)
	require.Equal(t, real, filepath.Dir(d.Path))
	require.NoError(t, d.Remove())
}

func TestAllowSearch(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root in an ordinary user's container is that user")
	}
	if os.Getenv(aloneEnv) != "" { // the child of this test: see below
		d, err := New()
		require.NoError(t, err)
		require.NoError(t, d.AllowSearch())
		require.NoError(t, d.Remove())
		return
	}
	top := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(top), 0o755)) // others cannot search t.TempDir's parent
	require.NoError(t, os.Chmod(top, 0o700))
	t.Setenv("TMPDIR", top)
	d, err := New()
	require.NoError(t, err)
	defer d.Remove()
	require.ErrorContains(t, d.AllowSearch(), "cannot search "+top)

	// An ordinary user's steps run as root in a user namespace that maps only one ID, so there are
	// no other users.
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestAllowSearch$")
	cmd.Env = append(os.Environ(), aloneEnv+"=1")
	one := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: one, GidMappings: one}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	require.NoError(t, os.Chmod(top, 0o755))
	require.NoError(t, d.AllowSearch())
	st, err := os.Stat(d.Path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o711), st.Mode().Perm())
}
