//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"containerkit/lessons/author/verify"
	"containerkit/lessons/vm"
)

// verifyInVM runs the tests of the stages in two virtual machines at the same time, as root and as
// the guest's ordinary user, and prints both verdicts. It compiles the tests here: software
// emulation would take half an hour for it. If one machine cannot start, or ctx ends, both stop.
func verifyInVM(ctx context.Context, engine string, out, progress io.Writer) error {
	root, err := kit()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	dir, err := testDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	packages, err := compileTests(ctx, root, dir)
	if err != nil {
		return err
	}
	script := filepath.Join(dir, "run.sh")
	if err := os.WriteFile(script, []byte(runTests(packages)), 0o755); err != nil {
		return err
	}
	fmt.Fprintf(progress, "compiled the tests of %d packages in %.0f s\n", len(packages), time.Since(began).Seconds())

	profiles := []verify.Profile{verify.VM, verify.VMUser}
	verdicts := make([]bytes.Buffer, len(profiles))
	ok := make([]bool, len(profiles))
	both, bothCtx := errgroup.WithContext(ctx)
	for i, p := range profiles {
		both.Go(func() error {
			c := &vm.Config{Engine: engine, Memory: 2048, CPUs: 2, Share: "ro", User: "root", Keep: []string{dir},
				Command: []string{"sh", script, notHere}, Cancel: bothCtx.Done()}
			if !p.Root {
				c.User = "learner"
				c.Command[2] += "|" + notTheLearner
			}
			began, on := time.Now(), ""
			c.Started = func(how string) { on = how }
			run, err := runInVM(c, progress)
			if err != nil {
				return err
			}
			v := verify.Judge(run, p)
			v.Write(&verdicts[i])
			fmt.Fprintf(&verdicts[i], "in %.0f s, as %s, in a virtual machine: %s\n\n", time.Since(began).Seconds(), c.User, on)
			ok[i] = v.OK()
			return nil
		})
	}
	err = both.Wait()
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err != nil {
		return err
	}
	for i := range verdicts {
		if _, err := verdicts[i].WriteTo(out); err != nil {
			return err
		}
	}
	if slices.Contains(ok, false) {
		return errSaid
	}
	return nil
}

// testDir creates the directory for the test programs: in the user's cache, and not among
// containerkit's own temporary directories. The guest sees those of the host without their locks,
// and its runs would remove them. The next run removes what a killed run has left there.
func testDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "containerkit", "verify-vm")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// A testPackage is a package of a stage, with its compiled tests.
type testPackage struct{ path, dir, program string }

// compileTests compiles the tests of the stages' packages into dir.
func compileTests(ctx context.Context, root, dir string) (list []testPackage, err error) {
	goCommand := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = root
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it removes its temporary files
		// Static: the guest has our libraries, but dynamic linking costs an emulated machine time
		// at every start.
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		return cmd
	}
	args := []string{"list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}"}
	for _, s := range verify.Stages() {
		args = append(args, "./"+s+"/...")
	}
	out, err := goCommand(args...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	args = []string{"test", "-c", "-o", dir + "/"}
	for line := range strings.Lines(string(out)) {
		path, where, _ := strings.Cut(strings.TrimSpace(line), " ")
		if path == "" {
			continue
		}
		list = append(list, testPackage{path, where, filepath.Join(dir, filepath.Base(path)+".test")})
		args = append(args, path)
	}
	if out, err := goCommand(args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go test -c: %w\n%s", err, out)
	}
	return list, nil
}

// mark begins the script's own lines among the tests' output.
const mark = "containerkit-verify: "

// notHere matches tests that cannot run in the guest, or need not: of what cgroup v2 lacks; those in which
// root acts as an ordinary user, because the learner is one; and those that take minutes in emulation and
// ask nothing that depends on the kernel. These are whether commands to type stop when one of them fails,
// whether strace(1) sees the calls that a step prints, and how a program answers to signals and to its
// environment. (verify promises TestExitStatus.) notTheLearner matches tests that need root.
const (
	notHere = "OnV1$|AsUser$|^TestByHand$/mishaps$|^Test(Calls|SignalsOfACommand|QuitPrintsNoGoroutines|" +
		"StatusTable|TemporaryDirectory|UnusualTemporaryDirectory|FullOutput|FewFiles)$"
	notTheLearner = "AsRoot$"
)

// runTests returns a script that runs them one after another, each in its package's directory,
// except those that its argument matches.
func runTests(packages []testPackage) string {
	var b strings.Builder
	b.WriteString("export NO_COLOR=1 CI=1\n")
	for _, p := range packages {
		fmt.Fprintf(&b, "echo '%sbegin %s'\ncd '%s' && '%s' -test.v=test2json -test.timeout=15m -test.skip=\"$1\" 2>&1 </dev/null\nstatus=$?; echo; echo \"%send $status\"\n", mark, p.path, p.dir, p.program, mark)
	}
	return b.String()
}

// runInVM runs the script in a virtual machine, and reads its output.
func runInVM(c *vm.Config, progress io.Writer) (*verify.Run, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	c.Stdin, c.Stdout, c.Stderr = null, w, os.Stderr
	done := make(chan error, 1)
	go func() {
		_, err := vm.Run(c)
		w.Close()
		done <- err
	}()
	run, readErr := readRun(r, c.User, progress)
	if err := <-done; err != nil {
		return nil, err
	}
	return run, readErr
}

// ended matches the last line of a test that is not a subtest.
var ended = regexp.MustCompile(`^\x16?--- (PASS|FAIL|SKIP): ([^\s/]+) \(([0-9.]+)s\)`)

// readRun reads the script's output, as go test -json would. It writes each finished test and its
// time to progress: a run takes minutes, and this shows what they go to.
func readRun(r io.Reader, user string, progress io.Writer) (*verify.Run, error) {
	var events, said bytes.Buffer
	pkg, began, complete := "", time.Now(), 0
	tell := func(result, seconds, test string) {
		fmt.Fprintf(progress, "%-8s %-4s %7ss  %s %s\n", user, result, seconds, strings.TrimPrefix(pkg, verify.Module+"/"), test)
	}
	var failed error
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		switch at := strings.Index(line, mark); {
		case at >= 0:
			word, rest, _ := strings.Cut(strings.TrimSpace(line[at+len(mark):]), " ")
			if word == "begin" {
				pkg, began = rest, time.Now()
				said.Reset()
				break
			}
			result := "ok"
			if rest != "0" {
				result = "FAIL"
				said.WriteString("\x16FAIL\n") // it may have failed after its last test: something was left behind
			}
			converted, err := toJSON(pkg, said.Bytes())
			failed = errors.Join(failed, err)
			events.Write(converted)
			complete++
			tell(result, fmt.Sprintf("%.2f", time.Since(began).Seconds()), "in total")
		default:
			if m := ended.FindStringSubmatch(line); m != nil {
				tell(strings.ToLower(m[1]), m[3], m[2])
			}
			said.WriteString(line)
		}
		if err != nil {
			break
		}
	}
	if complete == 0 {
		return nil, errors.Join(failed, errors.New("the virtual machine ran no test"))
	}
	run, err := verify.Read(&events, nil)
	return run, errors.Join(failed, err)
}

// toJSON converts a test program's output to what go test -json would print: go doc test2json.
func toJSON(pkg string, text []byte) ([]byte, error) {
	cmd := exec.Command("go", "tool", "test2json", "-p", pkg)
	cmd.Stdin = bytes.NewReader(text)
	cmd.Stderr = os.Stderr
	return cmd.Output()
}
