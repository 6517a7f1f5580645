//go:build linux

package container

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/03-rootfs/rootfs"
)

// A configuration is checked before anything is made, and filled in.
func TestComplete(t *testing.T) {
	p, err := Config{Args: []string{"true"}, Env: []string{"A=b"}}.complete()
	require.NoError(t, err)
	require.Equal(t, DefaultHostname, p.Hostname)
	require.Equal(t, DefaultHostname, p.Root.Hostname)
	require.Equal(t, "/", p.Dir)
	require.Equal(t, append(append([]string{}, DefaultEnv...), "HOSTNAME="+DefaultHostname, "A=b"), p.Env)
	for _, bad := range []Config{
		{},
		{Args: []string{""}},
		{Args: []string{"true"}, Hostname: "two words"},
		{Args: []string{"true"}, Hostname: "a\x1b[31m"},
		{Args: []string{"true"}, Hostname: "a\x00b"},
		{Args: []string{"true"}, Hostname: "a\x7f"},
		{Args: []string{"true"}, Hostname: "höst"},
		{Args: []string{"true"}, Hostname: "a/b"},
		{Args: []string{"true"}, Hostname: strings.Repeat("x", 65)},
		{Args: []string{"true"}, Dir: "here"},
		{Args: []string{"true"}, Env: []string{"=x"}},
	} {
		_, err := bad.complete()
		require.Error(t, err, "%+v", bad)
	}
}

// needNamespaces keeps the test's goroutine on one thread, with which its containers die, and skips where the kernel
// lets nobody make a user namespace.
func needNamespaces(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if raw, err := os.ReadFile("/proc/sys/user/max_user_namespaces"); err == nil && strings.TrimSpace(string(raw)) == "0" {
		t.Skip("user namespaces are switched off: sysctl user.max_user_namespaces=10000")
	}
}

// Parts come in the documented order, and the half-built container can be looked at meanwhile.
func TestTrace(t *testing.T) {
	needNamespaces(t)
	var parts []Part
	status, err := Run(Config{Args: []string{"true"}, Trace: func(init *procfs.Process, p Part) {
		parts = append(parts, p)
		require.NoError(t, init.Signal(0))
	}})
	require.NoError(t, err)
	require.Equal(t, 0, status)
	want, err := order()
	require.NoError(t, err)
	require.Equal(t, append(want, Ready), parts)
}

// Who gives up half-way leaves nothing, though he who looks on never comes back.
func TestCancel(t *testing.T) {
	needNamespaces(t)
	group := cgroup.Resources{Pids: 20}
	if _, err := cgroup.Find(); err != nil {
		t.Log("without a group: ", err)
		group = cgroup.Resources{}
	}
	var pid int
	var name string
	cancel, forever := make(chan struct{}), make(chan struct{})
	defer close(forever)
	_, err := Start(Config{Args: []string{"true"}, Resources: group, Cancel: cancel, Trace: func(p *procfs.Process, part Part) {
		if pid = p.PID; part == Pivoted {
			text, _ := p.Read("cgroup")
			name = regexp.MustCompile(cgroup.Prefix + `container-[0-9a-f]+`).FindString(text)
			close(cancel)
			<-forever
		}
	}})
	require.ErrorIs(t, err, errCanceled)
	require.ErrorIs(t, unix.Kill(pid, 0), unix.ESRCH)
	require.Equal(t, group.Empty(), name == "")
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d os.DirEntry, err error) error {
		require.False(t, name != "" && strings.HasSuffix(path, "/"+name), path)
		return nil
	})
}

// What Connect reports ends the start, with nothing left.
func TestConnectFails(t *testing.T) {
	needNamespaces(t)
	var pid int
	_, err := Start(Config{Args: []string{"true"}, Connect: func(p *procfs.Process) error { pid = p.PID; return io.ErrUnexpectedEOF }})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorIs(t, unix.Kill(pid, 0), unix.ESRCH)
}

// An error inside keeps its errno on the way out.
func TestErrnoCrosses(t *testing.T) {
	needNamespaces(t)
	_, err := Start(Config{Args: []string{"true"}, Dir: "/no/such/directory"})
	require.ErrorIs(t, err, unix.ENOENT)
	require.Equal(t, 125, Status(err))
	status, err := Run(Config{Args: []string{"no-such-command"}})
	require.ErrorIs(t, err, unix.ENOENT)
	require.Equal(t, 127, status)
}

// The files of a root belong to the same numbers inside, root's to root, who can change them; the host's stay as they are. Where
// the kernel has no mounts with ID maps, they belong to nobody, and that is said. An ordinary user has the first for free: his
// files are his.
func TestFilesOfARootKeepTheirOwners(t *testing.T) {
	needNamespaces(t)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // without an ID map the container's root, a stranger, looks for it himself
	for _, d := range []string{"usr", "others"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	for _, link := range []string{"bin", "lib", "lib64", "sbin"} {
		if target, err := os.Readlink("/" + link); err == nil {
			require.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("as it was\n"), 0o644))
	shifted := namespace.Container().Shifted()
	if shifted {
		require.NoError(t, os.Chown(filepath.Join(dir, "others"), 7, 8))
	}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	ct, err := Start(Config{
		Root:   rootfs.Spec{Dir: dir, Volumes: []rootfs.Volume{{Source: "/usr", Target: "/usr", ReadOnly: true}}},
		Args:   []string{"sh", "-c", "stat -c '%n %u %g' /file /others; echo more >>/file && cat /file"},
		Stdout: w, Stderr: w,
	})
	w.Close()
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	_, err = ct.Wait()
	require.NoError(t, err)
	switch {
	case !shifted:
		require.Equal(t, "/file 0 0\n/others 0 0\nas it was\nmore\n", string(out))
	case ct.Unmapped != nil:
		t.Log(ct.Unmapped)
		require.Contains(t, string(out), "/file 65534 65534\n/others 65534 65534\n")
		require.Contains(t, string(out), "denied")
	default:
		require.Equal(t, "/file 0 0\n/others 7 8\nas it was\nmore\n", string(out))
	}
	host, err := os.ReadFile(filepath.Join(dir, "file"))
	require.NoError(t, err)
	require.Equal(t, "as it was\n", string(host))
}

// The payload's environment is its own, and the first process shows none of the caller's.
func TestEnvironment(t *testing.T) {
	needNamespaces(t)
	t.Setenv("SECRET", "of the caller")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	status, err := Run(Config{Args: []string{"sh", "-c", "env; cat /proc/self/environ"}, Env: []string{"A=b"}, Stdout: w})
	w.Close()
	require.NoError(t, err)
	require.Equal(t, 0, status)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Contains(t, string(out), "A=b")
	require.NotContains(t, string(out), "SECRET")
}
