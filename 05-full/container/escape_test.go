//go:build linux

package container

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/03-rootfs/rootfs"
)

// hostile makes a root with links to descriptors, and a file of the host that nobody inside may see.
func hostile(t *testing.T) (root, secret string) {
	t.Helper()
	dir := t.TempDir()
	root, secret = filepath.Join(dir, "root"), filepath.Join(dir, "secret")
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o755)
	}
	require.NoError(t, os.MkdirAll(filepath.Join(root, "usr"), 0o755))
	for _, link := range []string{"bin", "lib", "lib64", "sbin"} {
		if target, err := os.Readlink("/" + link); err == nil {
			require.NoError(t, os.Symlink(target, filepath.Join(root, link)))
		}
	}
	for fd := range 40 {
		require.NoError(t, os.Symlink(fmt.Sprintf("/proc/self/fd/%d", fd), filepath.Join(root, fmt.Sprintf("fd%d", fd))))
		require.NoError(t, os.Symlink(fmt.Sprintf("/proc/self/fd/%d/%s", fd, strings.Repeat("../", 20)+"bin/cat"),
			filepath.Join(root, fmt.Sprintf("cat%d", fd))))
	}
	require.NoError(t, os.WriteFile(secret, []byte("of the host\n"), 0o644))
	return root, secret
}

// An image whose working directory is a link to a descriptor leads to no directory of the host, also
// not to one that the caller left open. (CVE-2024-21626)
func TestWorkingDirectoryLeadsNowhere(t *testing.T) {
	needNamespaces(t)
	root, secret := hostile(t)
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0) // forgotten, and not close-on-exec
	require.NoError(t, err)
	defer unix.Close(fd)
	for n := range 40 {
		c := Config{Root: rootfs.Spec{Dir: root, Volumes: usr}, Dir: fmt.Sprintf("/fd%d", n),
			Args: []string{"sh", "-c", "cat " + strings.Repeat("../", 20) + secret[1:]}}
		r, w, err := os.Pipe()
		require.NoError(t, err)
		c.Stdout, c.Stderr = w, w
		_, err = Run(c)
		w.Close()
		r.Close()
		require.Error(t, err, n)
		require.ErrorContains(t, err, fmt.Sprintf("working directory /fd%d", n))
	}
}

var usr = []rootfs.Volume{{Source: "/usr", Target: "/usr", ReadOnly: true}}

// A command whose path leads through a descriptor is not found: no descriptor of the host is open when
// the kernel looks for it.
func TestCommandIsNoneOfTheHosts(t *testing.T) {
	needNamespaces(t)
	root, secret := hostile(t)
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	for n := range 40 {
		status, err := Run(Config{Root: rootfs.Spec{Dir: root, Volumes: usr}, Args: []string{fmt.Sprintf("/cat%d", n), secret}})
		require.Error(t, err, n)
		require.Contains(t, []int{126, 127}, status)
	}
}

// PID 1 gets its null device from the host: a volume that covers /dev, through a link of the image,
// gives it none, and the container runs all the same.
func TestInitTakesNoDeviceFromAVolume(t *testing.T) {
	needNamespaces(t)
	root, _ := hostile(t)
	require.NoError(t, os.Symlink("/dev", filepath.Join(root, "x")))
	dev := filepath.Join(filepath.Dir(root), "dev") // without a null
	require.NoError(t, os.Mkdir(dev, 0o755))
	volumes := append([]rootfs.Volume{{Source: dev, Target: "/x", ReadOnly: true}}, usr...)
	for range 5 { // without it, PID 1 fails beside the command, which it takes with it
		status, err := Run(Config{Root: rootfs.Spec{Dir: root, Volumes: volumes}, Args: []string{"sleep", "0.1"}})
		require.NoError(t, err)
		require.Zero(t, status)
	}
}

// A volume never covers /proc, not even if a link of the image leads there.
func TestVolumeCoversNoProc(t *testing.T) {
	needNamespaces(t)
	root, _ := hostile(t)
	for link, to := range map[string]string{"x": "/proc", "y": "proc/sys", "z": "/proc/self/attr"} {
		require.NoError(t, os.Symlink(to, filepath.Join(root, link)))
		volumes := append([]rootfs.Volume{{Source: t.TempDir(), Target: "/" + link}}, usr...)
		_, err := Run(Config{Root: rootfs.Spec{Dir: root, Volumes: volumes}, Args: []string{"true"}})
		require.ErrorContains(t, err, "/"+link+": the container needs its own /proc", to)
	}
}

// A directory of the host as a standard stream is refused.
func TestDirectoryAsStandardInput(t *testing.T) {
	needNamespaces(t)
	dir, err := os.Open("/")
	require.NoError(t, err)
	defer dir.Close()
	_, err = Run(Config{Args: []string{"true"}, Stdin: dir})
	require.ErrorContains(t, err, "descriptor 0")
	_, err = Run(Config{Args: []string{"true"}, Extra: []*os.File{dir}})
	require.ErrorContains(t, err, "descriptor 3")
}

// The limit on open files does not depend on the caller's.
func TestOpenFiles(t *testing.T) {
	needNamespaces(t)
	require.Equal(t, "1024 4096\n", output(t, Config{Args: []string{"sh", "-c", "echo $(ulimit -Sn) $(ulimit -Hn)"}}))
}
