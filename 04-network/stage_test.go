//go:build linux

package main

import (
	"fmt"
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

// The tests run in parallel, because most steps wait for a timeout, each in its own namespaces.

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

// A program that reads the output of -json gets texts and numbers, not the fields of our types.
func TestRowsAreText(t *testing.T) {
	for _, e := range stagetest.Run(t, "-json", "loopback").Events {
		rows, _ := e.Data["rows"].([]any)
		for _, r := range rows {
			require.NotContains(t, fmt.Sprintf("%T", r.(map[string]any)["value"]), "map", "%v", r)
		}
	}
}

// needs skips the test if a tool of the commands by hand is missing. The steps need none of them.
func needs(t *testing.T) {
	for _, tool := range []string{"unshare", "nsenter", "ip", "bridge", "ping", "nft", "bash", "getent"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("install %s to test the commands by hand", tool)
		}
	}
}

// No step changes the real host's network.
func TestTheHostIsLeftAlone(t *testing.T) {
	before := hostNetwork(t)
	stagetest.Run(t, "-quiet")
	require.Equal(t, before, hostNetwork(t))
}

// hostNetwork returns the state of the real host's network, as far as the steps change it on the
// simulated host.
func hostNetwork(t *testing.T) string {
	var all []string
	links, err := network.Links(nil)
	all = append(all, lines(links, err))
	routes, err := network.Routes(nil)
	all = append(all, lines(routes, err))
	if os.Geteuid() == 0 { // listing rules needs CAP_NET_ADMIN
		rules, err := network.Rules()
		all = append(all, lines(rules, err))
		if nft, err := exec.LookPath("nft"); err == nil {
			out, err := exec.Command(nft, "list", "ruleset").CombinedOutput()
			require.NoError(t, err, "%s", out)
			all = append(all, string(out))
		}
	}
	for _, key := range []string{"ip_forward", "conf/all/forwarding", "conf/all/rp_filter",
		"conf/all/route_localnet", "conf/lo/route_localnet", "ping_group_range"} {
		raw, err := os.ReadFile("/proc/sys/net/ipv4/" + key)
		require.NoError(t, err)
		all = append(all, key+" "+strings.TrimSpace(string(raw)))
	}
	return strings.Join(all, "\n")
}

// The container at stage 4 has a network and resolves names, and the program exits with the
// command's status.
func TestSoFar(t *testing.T) {
	for name, runner := range map[string]*stagetest.Runner{"me": stagetest.Me(), "user": stagetest.AsUser(t)} {
		t.Run(name, func(t *testing.T) {
			run := func(command ...string) stagetest.Result {
				return runner.Run(t, append([]string{"--"}, command...)...)
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

// A signal to the program terminates the container, and the program can run again immediately.
func TestKilled(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := stagetest.Me().Command(t.Context(), "--", "sh", "-c", "echo runs; exec sleep 60")
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // so that no terminal sends SIGINT
			require.NoError(t, cmd.Start())
			line := make([]byte, 5)
			_, err = io.ReadFull(out, line)
			require.NoError(t, err)
			require.Equal(t, "runs\n", string(line))
			require.NoError(t, cmd.Process.Signal(sig))
			_, err = io.ReadAll(out) // EOF: the container's processes have exited
			require.NoError(t, err)
			_ = cmd.Wait()
			require.Equal(t, 128+int(sig), stage.Status(cmd.ProcessState))
		})
	}
	require.Zero(t, stagetest.Run(t, "--", "true").Status)
}

// The container at stage 4 seals what the README's table promises, and leaks the rest.
func TestLeaks(t *testing.T) { stagetest.Leaks(t) }

func TestLeaksAsUser(t *testing.T) { stagetest.AsUser(t).Leaks(t) }

// If /proc belongs to another PID namespace, the program changes none of its processes.
func TestForeignProc(t *testing.T) { stagetest.ForeignProc(t) }

func TestOneEntryForEachVariable(t *testing.T) {
	stagetest.Environment(t, map[string]string{"CONTAINERKIT_CONN": "7"})
}

func TestExitStatus(t *testing.T) { stagetest.ExitStatusOfCommands(t) }

func TestErrorsTellNothingOfTheHostsFiles(t *testing.T) { stagetest.HostsFilesUnseen(t) }

func TestTemporaryDirectory(t *testing.T) { stagetest.TemporaryDirectory(t, "leaks") }

func TestFullOutput(t *testing.T) {
	stagetest.FullOutput(t, "-h", "-list", "loopback", "-json loopback", "-quiet loopback")
}

func TestStatusTable(t *testing.T) { stagetest.StatusTable(t, "loopback") }

func TestTimeNamespace(t *testing.T) { stagetest.TimeNamespace(t) }

func TestFewFiles(t *testing.T) { stagetest.FewFiles(t) }

func TestSignalsOfACommand(t *testing.T) { stagetest.Signals(t) }

func TestQuitPrintsNoGoroutines(t *testing.T) { stagetest.Quit(t, "leaks") }

func TestPipesAreRootsInside(t *testing.T) { stagetest.Streams(t) }

func TestInterruptedLeakTableLeavesNothing(t *testing.T) { stagetest.LeaksInterrupted(t) }

// Each system call that a step prints is one that it makes.
func TestCalls(t *testing.T) { stagetest.Calls(t, course.Network04) }
