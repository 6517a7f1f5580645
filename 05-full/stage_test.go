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

// The transcripts in the lessons are what the program prints.
func TestTranscripts(t *testing.T) { stagetest.Transcripts(t, "README.md") }

func TestLeaks(t *testing.T) { stagetest.Leaks(t) }

func TestLeaksAsUser(t *testing.T) { stagetest.AsUser(t).Leaks(t) }

// The program touches no process of a /proc that belongs to another PID namespace.
func TestForeignProc(t *testing.T) { stagetest.ForeignProc(t) }

// Every leak of the complete container has a reason: a missing seccomp filter, cgroup or kernel
// feature.
func TestEveryLeakHasAReason(t *testing.T) {
	for _, e := range stagetest.Run(t, "-json", "leaks").Of(narrate.Leak) {
		if !*e.OK {
			require.NotEmpty(t, e.Data["reason"], "%v leaks without a reason", e.Data["probe"])
		}
	}
}

// A hostname is not a leak if the container and the host have the same one by chance.
func TestSameHostnameAsTheHost(t *testing.T) {
	name, err := os.Hostname()
	require.NoError(t, err)
	for _, who := range []*stagetest.Runner{stagetest.Me(), stagetest.AsUser(t)} {
		for _, run := range []string{"assemble", "leaks"} {
			r := who.Run(t, "-hostname", name, run)
			require.Zero(t, r.Status, "%s%s", r.Stdout, r.Stderr)
		}
	}
}

// The exit status is the command's, or says why the command did not start.
func TestExitStatus(t *testing.T) {
	stagetest.ExitStatus(t, func(dir string) []string { return []string{"-volume", dir + ":" + dir} })
}

func TestErrorsRevealNoFileOfTheHost(t *testing.T) { stagetest.HostsFilesUnseen(t) }

// The limit on open files is the kernel's default, although Go raises its own.
func TestOpenFiles(t *testing.T) {
	r := stagetest.Me().Run(t, "-quiet", "--", "sh", "-c", "ulimit -Sn")
	require.Zero(t, r.Status, r.Stderr)
	require.Equal(t, "1024\n", r.Stdout)
}

// A program built under umask 077 starts, although root in the container maps to a UID that can't
// read it.
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

// A usage error is one line that names the argument, and comes before anything is created.
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
		{[]string{"-memory", "100", "--", "true"}, 125, "-memory: cgroup: limit of 100 bytes"},
		{[]string{"-pids", "-5", "--", "true"}, 125, "-pids: cgroup"},
		{[]string{"-cpus", "0.001", "--", "true"}, 125, "-cpus: cgroup"},
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

// Streams, environment, working directory, hostname and volumes are what the flags say.
func TestConfiguration(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("of the volume\n"), 0o644))
	require.NoError(t, os.Chmod(dir, 0o777))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // t.TempDir's parent is closed to others
	t.Setenv("SECRET", "of the caller")
	for _, who := range []*stagetest.Runner{stagetest.Me(), stagetest.AsUser(t)} {
		r := who.Run(t, "-quiet", "-hostname", "box", "-workdir", "/volume", "-env", "COLOR=blue", "-volume", dir+":/volume:ro", "--",
			"sh", "-c", "hostname; pwd; cat file; echo $COLOR ${SECRET-unset}; touch new 2>&1; id -u; wc -w < /proc/1/environ; test -w /etc && echo writable")
		require.Equal(t, 0, r.Status, r.Stderr)
		lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
		require.Equal(t, []string{"box", "/volume", "of the volume", "blue unset"}, lines[:4])
		require.Contains(t, lines[4], "Read-only file system")
		require.Equal(t, "0", lines[5], "root inside")
		require.Equal(t, "writable", lines[len(lines)-1])
		r = who.Run(t, "-quiet", "-read-only", "--", "sh", "-c", "touch /etc/x /usr/x /x; echo $?")
		require.NotEqual(t, "0\n", r.Stdout, "a read-only root was written to")
	}
}

// A container on a bridge has eth0 and loopback; one without a bridge has only loopback.
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

// The program forwards a signal and exits with the command's status. TestMain looks for leftovers.
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

// A command with only some streams on our terminal gets the terminal only as a file descriptor, not
// as the terminal of its session. So it can't type into the terminal (TIOCSTI), and we forward
// Ctrl-C once.
func TestOurTerminalIsNotItsSessions(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := stagetest.Me().Command(ctx, "-quiet", "--", "sh", "-c", `trap 'n=$((n+1))' INT
		test -t 0 && read -r _ _ _ _ _ _ tty _ </proc/self/stat && echo "session's terminal: $tty"
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
	require.Equal(t, "session's terminal: 0", lines.Text())
	time.Sleep(200 * time.Millisecond) // our handler is installed in the background
	_, err = tty.Write([]byte{3})
	require.NoError(t, err)
	require.True(t, lines.Scan())
	require.Equal(t, "interrupts: 1", lines.Text())
	require.NoError(t, cmd.Wait())
}

// kill -9 of the program kills the container at any moment; the next run removes its cgroup.
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

// running reports whether a process has this word in its command line.
func running(word string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if raw, _ := os.ReadFile(f); bytes.Contains(raw, []byte(word)) && !bytes.Contains(raw, []byte("-quiet")) {
			return true
		}
	}
	return false
}

// On a terminal, `go run ./05-full` narrates the assembly and then starts a shell with its own
// terminal.
func TestShellOnATerminal(t *testing.T) {
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("needs script (util-linux): apt-get install bsdutils")
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

// -env overrides the container's own variables, and its own earlier values.
func TestOneEntryForEachVariable(t *testing.T) {
	stagetest.Environment(t,
		map[string]string{"HOME": "/x", "PATH": "/bin:/usr/bin", "TERM": "dumb",
			"HOSTNAME": "other", "A": "3"},
		"-env", "HOME=/x", "-env", "PATH=/bin:/usr/bin", "-env", "TERM=dumb", "-env", "HOSTNAME=other",
		"-env", "A=1", "-env", "A=2", "-env", "A=3")
}

func TestTemporaryDirectory(t *testing.T) { stagetest.TemporaryDirectory(t, "harmless") }

func TestUnusualTemporaryDirectory(t *testing.T) {
	stagetest.UnusualTemporaryDirectory(t, "harmless")
}

// A limit on memory that is too small stops the start at any moment of it: one line names the flag,
// and never says that the command is missing. TestMain looks for leftovers.
func TestMemoryTooSmallForStart(t *testing.T) {
	for _, who := range []*stagetest.Runner{stagetest.Me(), stagetest.AsUser(t)} {
		try := func(kib int) (ok bool) {
			r := who.Run(t, "-quiet", "-memory", fmt.Sprintf("%dk", kib), "--", "true")
			if r.Status == 0 {
				require.Empty(t, r.Stderr)
				return true
			}
			require.Contains(t, []int{125, 128 + 9}, r.Status, "%d KiB: %s", kib, r.Stderr)
			require.Equal(t, 1, strings.Count(r.Stderr, "\n"), r.Stderr)
			require.Contains(t, r.Stderr, "05-full: -memory: ")
			return false
		}
		enough := 64
		for !try(enough) {
			enough += enough / 8
		}
		for kib := enough * 7 / 8; kib < enough; kib += max(1, enough/100) {
			try(kib)
		}
	}
}

func TestFullOutput(t *testing.T) {
	stagetest.FullOutput(t, "-h", "-list", "harmless", "-json harmless", "-quiet harmless")
}

func TestStatusTable(t *testing.T) { stagetest.StatusTable(t, "init") }

func TestTimeNamespace(t *testing.T) { stagetest.TimeNamespace(t) }

func TestFewFiles(t *testing.T) { stagetest.FewFiles(t) }

// The source of a volume can be below a directory that only its owner can enter. The program opens
// it on the host, where the caller is that owner, not in the container, where root is another user.
func TestVolumeBelowClosedDirectory(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "q", "file")
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte("here\n"), 0o644))
	require.NoError(t, os.Chmod(dir, 0o700))
	for source, path := range map[string]string{filepath.Dir(file): "/m/file", file: "/m"} {
		r := stagetest.Run(t, "-quiet", "-volume", source+":/m", "--", "cat", path)
		require.Equal(t, "here\n", r.Stdout, r.Stderr)
	}
}

func TestSignalsOfACommand(t *testing.T) { stagetest.Signals(t) }

func TestQuitPrintsNoGoroutines(t *testing.T) { stagetest.Quit(t, "leaks") }

func TestPipesAreRootsInside(t *testing.T) { stagetest.Streams(t) }

// on starts the program with a command on a terminal, and waits until the command prints "up". It
// returns both ends of the terminal, and a reader of the output. The program ignores these signals.
func on(t *testing.T, r *stagetest.Runner, command string, signals ...string) (cmd *exec.Cmd, master, tty *os.File, shown *bufio.Reader) {
	t.Helper()
	master, tty, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = master.Close(), tty.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd = r.Command(ctx, "-quiet", "--", "sh", "-c", "stty -echo; echo up; "+command)
	if len(signals) > 0 { // not signal.Ignore, which Go cannot undo
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

// Input and output arrive even if a process that shares the terminal makes it non-blocking, as ssh
// and node do.
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

// When our terminal is closed, the command's terminal is hung up, also if no process gets SIGHUP.
// So a command that reads from it exits.
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
			t.Fatal("the command still waits for input that cannot come")
		}
	}
}

// A command that closes its terminal and opens it again finds it hung up, so it does not wait
// forever for a reader.
func TestATerminalThatIsLetGo(t *testing.T) {
	cmd, _, _, shown := on(t, stagetest.Me(), `trap '' HUP; exec </dev/null >/dev/null 2>&1
		for i in $(seq 20); do sleep 0.1; seq 20000 >/dev/pts/0; done; exit 5`)
	go func() { _, _ = io.Copy(io.Discard, shown) }()
	_ = cmd.Wait()
	require.Equal(t, 5, cmd.ProcessState.ExitCode())
}

func TestInterruptedLeakTableLeavesNothing(t *testing.T) { stagetest.LeaksInterrupted(t) }

// Each system call that a step prints is one that it makes.
func TestCalls(t *testing.T) { stagetest.Calls(t, course.Full05) }
