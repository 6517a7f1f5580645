//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/stagetest"
)

func TestMain(m *testing.M) { stagetest.Main(m, main) }

func TestClaims(t *testing.T)       { stagetest.Claims(t, course.Rootfs03) }
func TestClaimsAsUser(t *testing.T) { stagetest.AsUser(t).Claims(t, course.Rootfs03) }
func TestByHand(t *testing.T)       { stagetest.ByHand(t, course.Rootfs03) }
func TestByHandAsUser(t *testing.T) { stagetest.AsUser(t).ByHand(t, course.Rootfs03) }
func TestLesson(t *testing.T)       { stagetest.Transcripts(t, "README.md") }

// both runs a test as the current user, and as an ordinary user.
func both(t *testing.T, f func(t *testing.T, r *stagetest.Runner)) {
	t.Run("me", func(t *testing.T) { f(t, stagetest.Me()) })
	t.Run("user", func(t *testing.T) { f(t, stagetest.AsUser(t)) })
}

func TestCommand(t *testing.T) {
	both(t, func(t *testing.T, r *stagetest.Runner) {
		for _, c := range []struct {
			args           []string
			status         int
			stdout, stderr string
		}{
			{[]string{"--", "sh", "-c", "exit 7"}, 7, "", ""},
			{[]string{"--", "sh", "-c", "kill -9 $$"}, 137, "", ""},
			{[]string{"--", "no-such-command"}, 127, "", "no-such-command"},
			{[]string{"--", "/etc/passwd"}, 126, "", "permission denied"},
			{[]string{"--", "sh", "-c", "id -u; hostname; echo /home/* /root/* /var/*"}, 0, "0\ncontainerkit\n/home/* /root/* /var/tmp\n", ""},
			{[]string{"--", "sh", "-c", "touch /usr/bin/new /etc/new /new && rm /usr/bin/id && ! id"}, 0, "", ""},
			{[]string{"-rootfs", "/no/such", "--", "sh"}, 125, "", "rootfs /no/such: no such file or directory"},
			{[]string{"-rootfs", "/etc/passwd", "--", "sh"}, 125, "", "rootfs /etc/passwd: not a directory"},
			{[]string{"-volume", "/no/such:/x", "--", "sh"}, 125, "", "volume /no/such: no such file or directory"},
			{[]string{"-volume", "/tmp", "--", "sh"}, 2, "", "want SOURCE:TARGET"},
			{[]string{"-volume", "/tmp:/x:rx", "--", "sh"}, 2, "", "ro or rw"},
			{[]string{"-volume", "/tmp:x", "--", "sh"}, 2, "", "absolute"},
			{[]string{"pivvot"}, 2, "", `did you mean "pivot"`},
		} {
			res := r.Run(t, c.args...)
			require.Equal(t, c.status, res.Status, "%v\n%s", c.args, res.Stderr)
			require.Equal(t, c.stdout, res.Stdout, c.args)
			require.Contains(t, res.Stderr, c.stderr, c.args)
		}
	})
}

// TestDeletesInsideSpareTheHost deletes files in the container, and checks that the host still has
// them. In /usr it deletes only the programs: a whiteout for each of 100,000 files proves no more.
func TestDeletesInsideSpareTheHost(t *testing.T) {
	both(t, func(t *testing.T, r *stagetest.Runner) {
		dir, err := os.MkdirTemp("", "harmless-")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		require.NoError(t, os.Chmod(dir, 0o777))
		marker := filepath.Join(dir, "marker")
		require.NoError(t, os.WriteFile(marker, []byte("here\n"), 0o666))
		before := list("/usr/bin")

		res := r.Run(t, "-volume", dir+":/shared:ro", "--", "sh", "-c",
			"rm -rf /etc /shared /usr/bin /usr/sbin /var 2>/dev/null; [ ! -e /etc/passwd ] && [ ! -e /usr/bin/ls ] && read x </shared/marker && echo still $x")
		require.Equal(t, "still here\n", res.Stdout, res.Stderr)
		require.FileExists(t, marker)
		require.Equal(t, before, list("/usr/bin"))
	})
}

// TestRootDir runs a command in a directory that has only a shell and the files it needs, and whose
// /proc and /etc are links to the host's directories.
func TestRootDir(t *testing.T) {
	both(t, func(t *testing.T, r *stagetest.Runner) {
		res := r.Run(t, "-json", "tree")
		res.SkipIfSkipped(t)
		hand := res.Of("byhand")[0].Text
		_, rest, _ := strings.Cut(hand, "for f in ")
		needed, _, _ := strings.Cut(rest, ";")

		dir, err := os.MkdirTemp("", "rootdir-")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		require.NoError(t, os.Chmod(dir, 0o755))
		require.NoError(t, copyInto(dir, strings.Fields(needed)))
		require.NoError(t, os.Symlink("/etc", filepath.Join(dir, "proc")))
		require.NoError(t, os.Symlink("/home", filepath.Join(dir, "etc")))
		program := strings.Fields(needed)[0]

		res = r.Run(t, "-rootfs", dir, "--", program, "-c", "echo /*; read h </etc/hostname; echo $h; echo x >/new; exit 3")
		require.Equal(t, 3, res.Status, res.Stderr)
		require.Contains(t, res.Stdout, "/proc")
		require.Contains(t, res.Stdout, "containerkit\n")
		require.NotContains(t, res.Stdout, "/home")
		require.NoFileExists(t, filepath.Join(dir, "new"), "the container wrote to the directory itself")
	})
}

// TestWhereOnlyRootCanGoAsRoot mounts a volume and a -rootfs below a directory that only root can
// search. Root on the host finds them, although root in the container maps to another UID. The
// files keep their owners.
func TestWhereOnlyRootCanGoAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to search the directory")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	image := filepath.Join(dir, "image")
	require.NoError(t, os.Mkdir(image, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(image, "file"), []byte("here\n"), 0o600))
	r := stagetest.Me()
	res := r.Run(t, "-volume", image+":/shared", "--", "sh", "-c", "ls /shared")
	require.Equal(t, "file\n", res.Stdout, res.Stderr)

	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		if target, err := os.Readlink("/" + name); err == nil {
			require.NoError(t, os.Symlink(target, filepath.Join(image, name)))
		}
	}
	res = r.Run(t, "-rootfs", image, "-volume", "/usr:/usr:ro", "--", "sh", "-c", "ls -ln /file")
	require.Contains(t, res.Stdout, "/file", res.Stderr)
	if strings.Contains(res.Stderr, "no ID mapping") {
		require.Regexp(t, ` 65534 +65534 +5 `, res.Stdout)
		return
	}
	require.Regexp(t, ` 0 +0 +5 `, res.Stdout)
}

// TestMasksComeFromTheHost runs a command in an image with a link to /dev, and mounts a volume
// there whose null is a link to the file that must be masked. The mask is still the host's null
// device.
func TestMasksComeFromTheHost(t *testing.T) {
	both(t, func(t *testing.T, r *stagetest.Runner) {
		dir, err := os.MkdirTemp("", "masks-")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		require.NoError(t, os.Chmod(dir, 0o755))
		image, volume := filepath.Join(dir, "image"), filepath.Join(dir, "volume")
		require.NoError(t, errors.Join(os.Mkdir(image, 0o755), os.Mkdir(volume, 0o755)))
		for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
			if target, err := os.Readlink("/" + name); err == nil {
				require.NoError(t, os.Symlink(target, filepath.Join(image, name)))
			}
		}
		require.NoError(t, os.Symlink("/dev", filepath.Join(image, "x")))
		require.NoError(t, os.Symlink("/proc/interrupts", filepath.Join(volume, "null")))
		res := r.Run(t, "-rootfs", image, "-volume", "/usr:/usr:ro", "-volume", volume+":/x:ro", "--",
			"sh", "-c", "ls /dev; cat /proc/interrupts /proc/keys")
		require.Zero(t, res.Status, res.Stderr)
		require.Equal(t, "null\n", res.Stdout, "the container reads the kernel's counts of interrupts")
	})
}

// TestNextRunCleansUpAfterKill kills the program in the middle of a step. The next run removes the
// leftovers.
func TestNextRunCleansUpAfterKill(t *testing.T) {
	r := stagetest.Me()
	r.Env = []string{"TMPDIR=" + t.TempDir()}
	temp := strings.TrimPrefix(r.Env[0], "TMPDIR=")
	for _, after := range []time.Duration{20, 60, 120, 250} {
		cmd := r.Command(context.Background(), "-json", "overlay", "volume", "tree")
		require.NoError(t, cmd.Start())
		time.Sleep(after * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	require.Eventually(t, func() bool { // the kernel also kills its children, which takes a moment
		return r.Run(t, "-quiet", "chroot").Status == 0 && len(list(temp)) == 0
	}, 10*time.Second, 100*time.Millisecond)
}

// TestReadOnlyWithoutOverlay runs a command on a /usr that is already two overlays deep, the
// kernel's limit, as on a host that is a container in a container. (If the host is a container,
// /usr is one overlay deep, and the second mount fails.) The programs are still there, read-only.
func TestReadOnlyWithoutOverlay(t *testing.T) {
	unshare, err := exec.LookPath("unshare")
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := stagetest.Me().Command(context.Background())
	cmd.Path, cmd.Args = unshare, []string{"unshare", "--user", "--map-root-user", "--mount", "sh", "-c", `
		mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir u1 w1 u2 w2 &&
		mount -t overlay -o userxattr,lowerdir=/usr,upperdir=u1,workdir=w1 overlay /usr || { echo no overlay here; exit; }
		mount -t overlay -o userxattr,lowerdir=/usr,upperdir=u2,workdir=w2 overlay /usr 2>/dev/null
		exec "$1" -- sh -c 'touch /new && ! touch /usr/bin/new && echo read-only'`, "sh", self}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "no overlay here") {
		t.Skipf("this machine mounts no overlay on another in a user namespace: %s", out)
	}
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "Read-only file system")
	require.Contains(t, string(out), "read-only\n")
}

// TestSignals checks that the program forwards SIGTERM to the command, and that SIGKILL of the
// program kills the container.
func TestSignals(t *testing.T) {
	both(t, func(t *testing.T, r *stagetest.Runner) {
		for sig, want := range map[syscall.Signal]string{syscall.SIGTERM: "term\n", syscall.SIGKILL: ""} {
			cmd := r.Command(context.Background(), "--", "sh", "-c", "trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.1; done")
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines := bufio.NewReader(out)
			ready, err := lines.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "ready\n", ready)
			require.NoError(t, cmd.Process.Signal(sig))
			rest, err := io.ReadAll(lines) // until the whole container has exited
			require.NoError(t, err)
			require.Equal(t, want, string(rest))
			_ = cmd.Wait()
			require.Zero(t, r.Run(t, "--", "true").Status) // it also removes the cgroup of a killed run
			if sig == syscall.SIGTERM {
				require.Equal(t, 9, cmd.ProcessState.ExitCode())
			}
		}
	})
}

// The container at this stage seals what the README's table promises, and leaks the rest.
func TestLeaks(t *testing.T) { stagetest.Leaks(t) }

func TestLeaksAsUser(t *testing.T) { stagetest.AsUser(t).Leaks(t) }

// If /proc belongs to another PID namespace, the program changes none of its processes.
func TestForeignProc(t *testing.T) { stagetest.ForeignProc(t) }

func TestOneEntryForEachVariable(t *testing.T) {
	stagetest.Environment(t, map[string]string{"CONTAINERKIT_CONN": "7"})
}

func TestExitStatus(t *testing.T) {
	stagetest.ExitStatus(t, func(dir string) []string { return []string{"-volume", dir + ":" + dir} })
}

func TestErrorsRevealNothingOfTheHostsFiles(t *testing.T) { stagetest.HostsFilesUnseen(t) }

func TestTemporaryDirectory(t *testing.T) { stagetest.TemporaryDirectory(t, "tree") }

func TestUnusualTemporaryDirectory(t *testing.T) {
	stagetest.UnusualTemporaryDirectory(t, "volume")
}

func TestFullOutput(t *testing.T) {
	stagetest.FullOutput(t, "-h", "-list", "tree", "-json tree", "-quiet tree")
}

func TestStatusTable(t *testing.T) { stagetest.StatusTable(t, "proc") }

func TestTimeNamespace(t *testing.T) { stagetest.TimeNamespace(t) }

func TestFewFiles(t *testing.T) { stagetest.FewFiles(t) }

func TestSignalsOfACommand(t *testing.T) { stagetest.Signals(t) }

func TestQuitPrintsNoGoroutines(t *testing.T) { stagetest.Quit(t, "leaks") }

func TestPipesAreRootsInside(t *testing.T) { stagetest.Streams(t) }

func TestInterruptedLeakTableLeavesNothing(t *testing.T) { stagetest.LeaksInterrupted(t) }

// Each system call that a step prints is one that it makes.
func TestCalls(t *testing.T) { stagetest.Calls(t, course.Rootfs03) }
