//go:build linux

package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/04-network/network"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/stage"
	"containerkit/lessons/kit/stagetest"
)

// The steps mostly wait for what must not answer, each in namespaces of its own: so they are tested side by side.

func TestMain(m *testing.M) { stagetest.Main(m, main) }

func TestClaims(t *testing.T)       { t.Parallel(); stagetest.Claims(t, course.Network04) }
func TestClaimsAsUser(t *testing.T) { t.Parallel(); stagetest.AsUser(t).Claims(t, course.Network04) }

func TestByHand(t *testing.T) { t.Parallel(); needs(t); stagetest.ByHand(t, course.Network04) }
func TestByHandAsUser(t *testing.T) {
	t.Parallel()
	needs(t)
	stagetest.AsUser(t).ByHand(t, course.Network04)
}

func TestLesson(t *testing.T)       { t.Parallel(); stagetest.Transcripts(t, "README.md") }
func TestLessonAsUser(t *testing.T) { t.Parallel(); stagetest.AsUser(t).Transcripts(t, "README.md") }

// needs skips if a tool is missing that the lines to type name; the steps themselves need none of them.
func needs(t *testing.T) {
	for _, tool := range []string{"unshare", "nsenter", "ip", "bridge", "ping", "nft", "bash", "getent"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("install %s to test what the lessons have people type", tool)
		}
	}
}

// The real host's network is the one thing that no step may touch.
func TestTheHostIsLeftAlone(t *testing.T) {
	before := hostNetwork(t)
	stagetest.Run(t, "-quiet")
	require.Equal(t, before, hostNetwork(t))
}

// hostNetwork is all that the steps change in the namespace that plays the host, read from the real one.
func hostNetwork(t *testing.T) string {
	var all []string
	links, err := network.Links(nil)
	all = append(all, lines(links, err))
	routes, err := network.Routes(nil)
	all = append(all, lines(routes, err))
	if os.Geteuid() == 0 { // to list rules takes CAP_NET_ADMIN
		rules, err := network.Rules()
		all = append(all, lines(rules, err))
		if nft, err := exec.LookPath("nft"); err == nil {
			out, err := exec.Command(nft, "list", "ruleset").CombinedOutput()
			require.NoError(t, err, "%s", out)
			all = append(all, string(out))
		}
	}
	for _, key := range []string{"ip_forward", "conf/all/forwarding", "conf/all/rp_filter", "conf/all/route_localnet", "conf/lo/route_localnet", "ping_group_range"} {
		raw, err := os.ReadFile("/proc/sys/net/ipv4/" + key)
		require.NoError(t, err)
		all = append(all, key+" "+strings.TrimSpace(string(raw)))
	}
	return strings.Join(all, "\n")
}

// The container so far: its network, its exit status, and nothing left of it.
func TestSoFar(t *testing.T) {
	for name, who := range map[string]*stagetest.Runner{"me": stagetest.Me(), "user": stagetest.AsUser(t)} {
		t.Run(name, func(t *testing.T) {
			run := func(command ...string) stagetest.Result {
				return who.Run(t, append([]string{"--"}, command...)...)
			}
			res := run("bash", "-c", `exec 3<>/dev/tcp/internet/80; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3`)
			require.Zero(t, res.Status, res.Stderr)
			require.Contains(t, res.Stdout, "hello, 203.0.113.1\n", "the internet sees the host's address")

			res = run("cat", "/etc/resolv.conf", "/etc/hosts", "/proc/sys/kernel/hostname")
			require.Equal(t, network.Resolv(network.Default.Gateway().Addr())+
				"127.0.0.1 localhost\n::1 localhost\n10.88.0.2 container\ncontainer\n", res.Stdout)

			require.Equal(t, 7, run("sh", "-c", "exit 7").Status)
			require.Equal(t, 128+15, run("sh", "-c", "kill -TERM $$").Status)
			require.Equal(t, 126, run("/etc/passwd").Status)
			res = run("no-such-command")
			require.Equal(t, 127, res.Status)
			require.Contains(t, res.Stderr, "no-such-command")
		})
	}
}

// Who ends the program ends the container, and the next run removes what could not be removed.
func TestKilled(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := stagetest.Me().Command(t.Context(), "--", "sh", "-c", "echo runs; exec sleep 60")
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal of ours, on which a SIGINT could have been typed
			require.NoError(t, cmd.Start())
			line := make([]byte, 5)
			_, err = io.ReadFull(out, line)
			require.NoError(t, err)
			require.Equal(t, "runs\n", string(line))
			require.NoError(t, cmd.Process.Signal(sig))
			_, err = io.ReadAll(out) // at its end nobody holds the pipe any more: the container is gone
			require.NoError(t, err)
			_ = cmd.Wait()
			require.Equal(t, 128+int(sig), stage.Status(cmd.ProcessState))
		})
	}
	require.Zero(t, stagetest.Run(t, "--", "true").Status)
}

// The container so far seals what the README's table promises, and leaks the rest.
func TestLeaks(t *testing.T) { stagetest.Leaks(t) }

func TestLeaksAsUser(t *testing.T) { stagetest.AsUser(t).Leaks(t) }

// Where /proc is another PID namespace's, the program touches no process of it.
func TestForeignProc(t *testing.T) { stagetest.ForeignProc(t) }

func TestOneEntryForEachVariable(t *testing.T) {
	stagetest.Environment(t, map[string]string{"CONTAINERKIT_CONN": "7"})
}

func TestExitStatus(t *testing.T) { stagetest.ExitStatusOfCommands(t) }

func TestErrorsTellNothingOfTheHostsFiles(t *testing.T) { stagetest.HostsFilesUnseen(t) }

func TestSignalsOfACommand(t *testing.T) { stagetest.Signals(t) }

func TestQuitPrintsNoGoroutines(t *testing.T) { stagetest.Quit(t, "leaks") }

func TestPipesAreRootsInside(t *testing.T) { stagetest.Streams(t) }

func TestInterruptedLeakTableLeavesNothing(t *testing.T) { stagetest.LeaksInterrupted(t) }
