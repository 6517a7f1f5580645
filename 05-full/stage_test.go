//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"containerkit/05-full/container"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stagetest"
)

func TestMain(m *testing.M) { stagetest.Main(m, main) }

func TestClaims(t *testing.T) { stagetest.Claims(t, course.Full05) }

func TestClaimsAsUser(t *testing.T) { stagetest.AsUser(t).Claims(t, course.Full05) }

func TestByHand(t *testing.T) { stagetest.ByHand(t, course.Full05) }

// What the lessons show is what the program prints.
func TestTranscripts(t *testing.T) { stagetest.Transcripts(t, "README.md") }

func TestTranscriptOfTheKit(t *testing.T) { stagetest.Transcripts(t, "../README.md") }

func TestLeaks(t *testing.T) { stagetest.Leaks(t) }

func TestLeaksAsUser(t *testing.T) { stagetest.AsUser(t).Leaks(t) }

// Where /proc is another PID namespace's, the program touches no process of it.
func TestForeignProc(t *testing.T) { stagetest.ForeignProc(t) }

// At the end nothing leaks but what a filter of system calls would seal, and what needs a cgroup where none can be had.
func TestNothingLeaksUnsaid(t *testing.T) {
	for _, e := range stagetest.Run(t, "-json", "leaks").Of(narrate.Leak) {
		if !*e.OK {
			require.Contains(t, e.Text, "sealed by", "%v leaks, and nobody says what would seal it", e.Data["probe"])
		}
	}
}

// A name is no leak if container and host happen to have the same.
func TestCalledAsTheHost(t *testing.T) {
	name, err := os.Hostname()
	require.NoError(t, err)
	for _, who := range []*stagetest.Runner{stagetest.Me(), stagetest.AsUser(t)} {
		for _, run := range []string{"assemble", "leaks"} {
			r := who.Run(t, "-hostname", name, run)
			require.Zero(t, r.Status, "%s%s", r.Stdout, r.Stderr)
		}
	}
}

// The exit status is the command's own, or says why there was none.
func TestExitStatus(t *testing.T) {
	stagetest.ExitStatus(t, func(dir string) []string { return []string{"-volume", dir + ":" + dir} })
}

func TestErrorsTellNothingOfTheHostsFiles(t *testing.T) { stagetest.HostsFilesUnseen(t) }

// The limit on open files is the usual one, whoever starts the container and whatever Go does with its own.
func TestOpenFiles(t *testing.T) {
	r := stagetest.Me().Run(t, "-quiet", "--", "sh", "-c", "ulimit -Sn")
	require.Zero(t, r.Status, r.Stderr)
	require.Equal(t, "1024\n", r.Stdout)
}

// A program built under umask 077 is closed to the user that root inside is outside.
func TestProgramClosedToOthers(t *testing.T) {
	exe, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(program, exe, 0o700))
	cmd := stagetest.Me().Command(context.Background(), "-quiet", "--", "sh", "-c", "exit 6")
	cmd.Path = program
	out, _ := cmd.CombinedOutput()
	require.Equal(t, 6, cmd.ProcessState.ExitCode(), string(out))
}

// What is wrong with a command line is told in one line, with the place, before anything is made.
func TestBadInput(t *testing.T) {
	for _, test := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"-rootfs", "/no/such/dir", "--", "true"}, 125, "/no/such/dir"},
		{[]string{"-rootfs", "/etc/passwd", "--", "true"}, 125, "not a directory"},
		{[]string{"-volume", "/no/such/dir:/mnt", "--", "true"}, 125, "/no/such/dir"},
		{[]string{"-volume", "/usr", "--", "true"}, 2, "SOURCE:TARGET"},
		{[]string{"-memory", "lots", "--", "true"}, 2, "not a size"},
		{[]string{"-memory", "-1", "--", "true"}, 2, "not a size"},
		{[]string{"-memory", "100", "--", "true"}, 125, "page"},
		{[]string{"-pids", "-5", "--", "true"}, 125, "negative"},
		{[]string{"-cpus", "0.001", "--", "true"}, 125, "0.01"},
		{[]string{"-workdir", "/no/such/dir", "--", "true"}, 125, "/no/such/dir"},
		{[]string{"-workdir", "relative", "--", "true"}, 125, "relative"},
		{[]string{"-hostname", strings.Repeat("x", 65), "--", "true"}, 125, "64"},
		{[]string{"-env", "NOVALUE", "--", "true"}, 2, "NAME=VALUE"},
		{[]string{"-network", "mars", "--", "true"}, 125, "mars"},
		{[]string{"-no-such-flag"}, 2, "no-such-flag"},
		{[]string{"asemble"}, 2, `did you mean "assemble"`},
		{[]string{"--"}, 2, "needs a command"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			r := stagetest.Run(t, test.args...)
			require.Equal(t, test.status, r.Status, r.Stderr)
			require.Contains(t, r.Stderr, test.says)
		})
	}
}

// Standard streams, environment, working directory, hostname and volumes are what the flags say, and nothing else.
func TestConfiguration(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("lent\n"), 0o644))
	require.NoError(t, os.Chmod(dir, 0o777))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // t.TempDir's parent is ours alone
	t.Setenv("SECRET", "of the caller")
	for _, who := range []*stagetest.Runner{stagetest.Me(), stagetest.AsUser(t)} {
		r := who.Run(t, "-quiet", "-hostname", "box", "-workdir", "/lent", "-env", "COLOUR=blue", "-volume", dir+":/lent:ro", "--",
			"sh", "-c", "hostname; pwd; cat file; echo $COLOUR ${SECRET-unset}; touch new 2>&1; id -u; wc -w < /proc/1/environ; test -w /etc && echo writable")
		require.Equal(t, 0, r.Status, r.Stderr)
		lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
		require.Equal(t, []string{"box", "/lent", "lent", "blue unset"}, lines[:4])
		require.Contains(t, lines[4], "Read-only file system")
		require.Equal(t, "0", lines[5], "root inside")
		require.Equal(t, "writable", lines[len(lines)-1])
		r = who.Run(t, "-quiet", "-read-only", "--", "sh", "-c", "touch /etc/x /usr/x /x; echo $?")
		require.NotEqual(t, "0\n", r.Stdout, "a read-only root was written")
	}
}

// A container on a bridge has an address there and reaches its gateway; one without has only its loopback.
func TestNetworks(t *testing.T) {
	const ask = "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' ' | sort | tr '\\n' ' '"
	for _, who := range []*stagetest.Runner{stagetest.Me(), stagetest.AsUser(t)} {
		r := who.Run(t, "-quiet", "--", "sh", "-c", ask)
		require.Equal(t, "lo ", r.Stdout, r.Stderr)
		r = who.Run(t, "-quiet", "-network", "bridge", "--", "sh", "-c", ask+"; exit 7")
		require.Equal(t, "eth0 lo ", r.Stdout, r.Stderr)
		require.Equal(t, 7, r.Status)
	}
}

// The program ends when it is told to, the command with it, and nothing is left: TestMain looks for that.
func TestSignals(t *testing.T) {
	for _, test := range []struct {
		signal syscall.Signal
		status int
	}{{syscall.SIGTERM, 42}, {syscall.SIGUSR1, 43}} {
		cmd := stagetest.Me().Command(context.Background(), "-quiet", "--", "sh", "-c",
			"trap 'exit 42' TERM; trap 'exit 43' USR1; echo up; while :; do sleep 0.05; done")
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = out.Read(make([]byte, 3))
		require.NoError(t, err)
		time.Sleep(300 * time.Millisecond) // the handler is installed in the background
		require.NoError(t, cmd.Process.Signal(test.signal))
		_ = cmd.Wait()
		require.Equal(t, test.status, cmd.ProcessState.ExitCode())
	}
}

// A command of which not all is on the terminal gets it as a descriptor, and no more: it is not the terminal of its session, so
// that it can type nothing into it (TIOCSTI), and a Ctrl-C comes by way of us, once.
func TestOurTerminalIsOnlyLent(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := stagetest.Me().Command(ctx, "-quiet", "--", "sh", "-c", `trap 'n=$((n+1))' INT
		test -t 0 && read -r _ _ _ _ _ _ tty _ </proc/self/stat && echo "lent, terminal of the session: $tty"
		sleep 1; sleep 1; echo "interrupts: $n"`)
	cmd.Stdin = nil
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	tty, err := pty.Start(cmd)
	require.NoError(t, err)
	defer tty.Close()
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Equal(t, "lent, terminal of the session: 0", lines.Text())
	time.Sleep(200 * time.Millisecond) // our handler is installed in the background
	_, err = tty.Write([]byte{3})
	require.NoError(t, err)
	require.True(t, lines.Scan())
	require.Equal(t, "interrupts: 1", lines.Text())
	require.NoError(t, cmd.Wait())
}

// kill -9 of the program, at any moment, takes the container along; the next run removes the cgroup.
func TestKillLeavesNothing(t *testing.T) {
	token := fmt.Sprintf("86399.%d", os.Getpid())
	for i := range 10 {
		cmd := stagetest.Me().Command(context.Background(), "-quiet", "--", "sleep", token)
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(i*i) * time.Millisecond / 2) // from before main to long after the start
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
	}
	require.Eventually(t, func() bool { return !running(token) }, 10*time.Second, 20*time.Millisecond, "a container outlived its program")
	r := stagetest.Run(t, "-quiet", "--", "true")
	require.Equal(t, 0, r.Status, r.Stderr)
}

// running looks for a process with this word in its command line.
func running(word string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if raw, _ := os.ReadFile(f); bytes.Contains(raw, []byte(word)) && !bytes.Contains(raw, []byte("-quiet")) {
			return true
		}
	}
	return false
}

// A terminal of its own: narrated assembly and a shell on a terminal, as `go run ./05-full` does it there.
func TestShellOnATerminal(t *testing.T) {
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("script (util-linux) plays the terminal: apt-get install bsdutils")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := stagetest.Me().Command(context.Background())
	sh := exec.Command("script", "-qec", self, "/dev/null")
	sh.Env = append(cmd.Environ(), "TERM=dumb")
	in, err := sh.StdinPipe()
	require.NoError(t, err)
	var out bytes.Buffer
	sh.Stdout, sh.Stderr = &out, &out
	require.NoError(t, sh.Start())
	time.Sleep(2 * time.Second)
	_, err = in.Write([]byte("tty; hostname; exit 9\n"))
	require.NoError(t, err)
	err = sh.Wait()
	in.Close()
	require.Error(t, err)
	require.Equal(t, 9, sh.ProcessState.ExitCode(), out.String())
	require.Contains(t, out.String(), "/dev/pts/0")
	require.Contains(t, out.String(), container.DefaultHostname)
	require.Contains(t, out.String(), "✓")
}

// What -env sets takes the place of what the container sets itself, and of what came before.
func TestOneEntryForEachVariable(t *testing.T) {
	stagetest.Environment(t,
		map[string]string{"HOME": "/x", "PATH": "/bin:/usr/bin", "TERM": "dumb",
			"HOSTNAME": "other", "A": "3"},
		"-env", "HOME=/x", "-env", "PATH=/bin:/usr/bin", "-env", "TERM=dumb", "-env", "HOSTNAME=other",
		"-env", "A=1", "-env", "A=2", "-env", "A=3")
}

func TestSignalsOfACommand(t *testing.T) { stagetest.Signals(t) }

func TestQuitPrintsNoGoroutines(t *testing.T) { stagetest.Quit(t, "leaks") }

func TestPipesAreRootsInside(t *testing.T) { stagetest.Streams(t) }

// on starts the program with a command on a terminal. It returns what is typed and shown there, once the command has said
// "up", and the program's own descriptor of the terminal. The program ignores signals.
func on(t *testing.T, r *stagetest.Runner, command string, signals ...string) (cmd *exec.Cmd, master, tty *os.File, shown *bufio.Reader) {
	t.Helper()
	master, tty, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = master.Close(), tty.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd = r.Command(ctx, "-quiet", "--", "sh", "-c", "stty -echo; echo up; "+command)
	if len(signals) > 0 { // not signal.Ignore: Go has no way back from it
		program, err := filepath.EvalSymlinks(cmd.Path) // the shell's /proc/self/exe is the shell
		require.NoError(t, err)
		script := "trap '' " + strings.Join(signals, " ") + `; exec "$0" "$@"`
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", script, program}, cmd.Args[1:]...)
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	shown = bufio.NewReader(master)
	require.Equal(t, "up", line(t, shown))
	return cmd, master, tty, shown
}

func line(t *testing.T, shown *bufio.Reader) string {
	t.Helper()
	text, err := shown.ReadString('\n')
	require.NoError(t, err, "%q", text)
	return strings.TrimSpace(text)
}

// A process that shares the terminal makes it non-blocking, as ssh and node do. What is typed and shown arrives all the same.
func TestATerminalMadeNonBlocking(t *testing.T) {
	for _, r := range []*stagetest.Runner{stagetest.Me(), stagetest.AsUser(t)} {
		cmd, master, tty, shown := on(t, r, "while read -r n && test $n != end; do seq $n; done")
		require.NoError(t, syscall.SetNonblock(int(tty.Fd()), true))
		for range 3 {
			_, err := master.WriteString("20000\n") // more than a terminal holds
			require.NoError(t, err)
			time.Sleep(100 * time.Millisecond) // let it run full
			for n := 1; n <= 20000; n++ {
				require.Equal(t, strconv.Itoa(n), line(t, shown))
			}
		}
		_, err := master.WriteString("end\n")
		require.NoError(t, err)
		require.NoError(t, cmd.Wait())
	}
}

// When our terminal is closed, the command's is hung up, also if no process gets a SIGHUP: a command that reads from it comes
// to its end.
func TestATerminalThatIsClosed(t *testing.T) {
	for _, r := range []*stagetest.Runner{stagetest.Me(), stagetest.AsUser(t)} {
		cmd, master, tty, _ := on(t, r, "cat; exit 5", "HUP")
		require.NoError(t, tty.Close())
		require.NoError(t, master.Close())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
			require.Equal(t, 5, cmd.ProcessState.ExitCode())
		case <-time.After(20 * time.Second):
			t.Fatal("the command still waits for what nobody can type")
		}
	}
}

// A command that has let go of its terminal, and opens it again, finds it hung up: it does not wait for a reader for ever.
func TestATerminalThatIsLetGo(t *testing.T) {
	cmd, _, _, shown := on(t, stagetest.Me(), `trap '' HUP; exec </dev/null >/dev/null 2>&1
		for i in $(seq 20); do sleep 0.1; seq 20000 >/dev/pts/0; done; exit 5`)
	go func() { _, _ = io.Copy(io.Discard, shown) }()
	_ = cmd.Wait()
	require.Equal(t, 5, cmd.ProcessState.ExitCode())
}

func TestInterruptedLeakTableLeavesNothing(t *testing.T) { stagetest.LeaksInterrupted(t) }
