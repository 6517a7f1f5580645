//go:build linux

// Package checkpoint checks the container that a reader types from the chapter "A container in 100
// lines", after each of its five checkpoints.
package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Mine is the directory of the reader's program, below the kit's.
const Mine = "lessons/first/mine"

// A Checkpoint is what the reader's program can do after a section of the chapter.
type Checkpoint struct {
	Claim string
	check func(p program) error
}

// All are the checkpoints, in order.
var All = []Checkpoint{
	{"It runs a command", runsCommand},
	{"The command is PID 1 in new namespaces", hasNamespaces},
	{"The command has its own root", hasRoot},
	{"The command sees only its own processes", hasProc},
	{"The command has a memory limit, or you are told that it has none", hasLimit},
}

// limit is how long the reader's program may run.
const limit = 10 * time.Second

// Check builds the reader's program below root and returns what the first n checkpoints found, up to
// the first one that fails.
func Check(ctx context.Context, root string, n int) (passed int, err error) {
	dir := filepath.Join(root, Mine)
	if _, err := os.Stat(dir); err != nil {
		return 0, fmt.Errorf("%s/main.go is not there: begin with go run ./lessons read first", Mine)
	}
	temp, err := os.MkdirTemp("", "containerkit-first-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(temp)
	exe := filepath.Join(temp, "first")
	build := exec.CommandContext(ctx, "go", "build", "-o", exe, "./"+Mine)
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s does not compile:\n%s", Mine, bytes.TrimSpace(out))
	}
	return try(program{ctx, exe}, n)
}

// try returns how many of the first n checkpoints a program passes.
func try(p program, n int) (passed int, err error) {
	for _, c := range All[:n] {
		if err := c.check(p); err != nil {
			return passed, err
		}
		passed++
	}
	return passed, nil
}

// A program is the reader's, built.
type program struct {
	ctx context.Context
	exe string
}

// result is what a run of it came to.
type result struct {
	status      int
	out, errors string
}

// command returns a run of the program that is killed, with its processes, when the time is up.
func (p program) command(args ...string) (*exec.Cmd, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	cmd := exec.CommandContext(ctx, p.exe, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd, cancel
}

// run runs a shell script in the container.
func (p program) run(script string) (r result, err error) {
	cmd, cancel := p.command("sh", "-c", script)
	defer cancel()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("typed\n"), &out, &errs
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		err = nil
	}
	if err != nil {
		return r, fmt.Errorf("sh -c %q in your container: %w\n%s", script, err, errs.String())
	}
	return result{cmd.ProcessState.ExitCode(), strings.TrimSpace(out.String()), errs.String()}, nil
}

// says runs a script, and fails if it does not print what it should.
func (p program) says(script, want, why string) error {
	r, err := p.run(script)
	if err != nil {
		return err
	}
	if r.out != want {
		return fmt.Errorf("sh -c %q prints %q%s, and should print %q: %s",
			script, r.out, r.complaint(), want, why)
	}
	return nil
}

func (r result) complaint() string {
	if text := strings.TrimSpace(r.errors); text != "" {
		return fmt.Sprintf(" (and says %q)", text)
	}
	return ""
}

func runsCommand(p program) error {
	if err := p.says("read x; echo $x", "typed", "connect its standard input and output"); err != nil {
		return err
	}
	r, err := p.run("exit 7")
	if err == nil && r.status != 7 {
		err = fmt.Errorf("sh -c 'exit 7' ends with exit status %d%s: pass the command's own on", r.status, r.complaint())
	}
	return err
}

// namespaces are those that a container needs, by the names of their files in /proc/PID/ns.
var namespaces = []string{"user", "pid", "mnt", "uts", "ipc", "net"}

func hasNamespaces(p program) error {
	if err := p.says("echo $$", "1", "the command must be the first process of a PID namespace"); err != nil {
		return err
	}
	if err := p.says("id -u", "0", "map UID 0 inside to yours outside"); err != nil {
		return err
	}
	running, err := p.start()
	if err != nil {
		return err
	}
	defer running.stop()
	for _, ns := range namespaces {
		inside, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", running.init, ns))
		if err != nil {
			return err
		}
		if outside, _ := os.Readlink("/proc/self/ns/" + ns); inside == outside {
			return fmt.Errorf("/proc/PID/ns/%s of the command is %s, as on the host: it needs a new namespace", ns, inside)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	r, err := p.run("uname -n")
	if err == nil && r.out == host {
		err = fmt.Errorf("uname -n prints %s, the host's name: set another one", host)
	}
	return err
}

func hasRoot(p program) error {
	f, err := os.CreateTemp("", "containerkit-first-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	r, err := p.run("cat " + f.Name())
	if err != nil {
		return err
	}
	if r.status == 0 {
		return fmt.Errorf("the command can read %s, a file of the host: make another directory its root", f.Name())
	}
	if r, err = p.run("touch /usr/containerkit-first"); err != nil {
		return err
	}
	if r.status == 0 {
		_ = os.Remove("/usr/containerkit-first")
		return errors.New("the command can write to /usr, which is the host's: mount it read-only")
	}
	return nil
}

func hasProc(p program) error {
	r, err := p.run("ls /proc")
	if err != nil {
		return err
	}
	var pids []string
	for name := range strings.FieldsSeq(r.out) {
		if _, err := strconv.Atoi(name); err == nil {
			pids = append(pids, name)
		}
	}
	if !slices.Contains(pids, "1") || len(pids) > 2 { // sh, and ls if sh does not exec it
		return fmt.Errorf("ls /proc shows the processes %v%s, and should show those of the container: "+
			"mount a new proc before pivot_root", pids, r.complaint())
	}
	if r, err = p.run("cat /proc/self/mountinfo"); err == nil && strings.Count(r.out, "\n") > 20 {
		err = fmt.Errorf("the command's mount table has %d mounts, among them the host's: unmount the old root", 1+strings.Count(r.out, "\n"))
	}
	return err
}

func hasLimit(p program) error {
	running, err := p.start()
	if err != nil {
		return err
	}
	defer running.stop()
	max, err := memoryMax(running.init)
	if err == nil && max != "max" {
		return nil
	}
	said := running.stop()
	if strings.Contains(said, "no memory limit") {
		return nil
	}
	return fmt.Errorf("the command has no memory limit (memory.max: %s, %v), and your program does not say so: "+
		"print a line with \"no memory limit\", and why", max, err)
}

// memoryMax returns what limits a process on cgroup v2.
func memoryMax(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	_, path, ok := strings.Cut("\n"+string(text), "\n0::")
	if !ok {
		return "", errors.New("cgroup v1")
	}
	path, _, _ = strings.Cut(path, "\n")
	max, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", path, "memory.max"))
	return strings.TrimSpace(string(max)), err
}

// A running container waits for its standard input to end.
type running struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	stdin  io.Closer
	errs   *bytes.Buffer
	init   int // the command's PID on the host
	ended  bool
}

// start starts a container whose command waits.
func (p program) start() (*running, error) {
	cmd, cancel := p.command("sh", "-c", "echo ready; read x")
	r := &running{cmd: cmd, cancel: cancel, errs: new(bytes.Buffer)}
	cmd.Stderr = r.errs
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	r.stdin = stdin
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		return nil, fmt.Errorf("the command does not start: %s", strings.TrimSpace(r.stop()))
	}
	r.init, err = child(cmd.Process.Pid)
	if err != nil {
		return nil, errors.Join(err, errors.New(r.stop()))
	}
	return r, nil
}

// stop ends the container, and returns what it wrote to its standard error.
func (r *running) stop() string {
	if !r.ended {
		r.ended = true
		_ = r.stdin.Close()
		_ = r.cmd.Wait()
		r.cancel()
	}
	return r.errs.String()
}

// child returns the only child of a process. (proc(5), /proc/PID/task/TID/children)
func child(pid int) (int, error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has exited
		}
		if fields := strings.Fields(string(text)); len(fields) > 0 {
			return strconv.Atoi(fields[0])
		}
	}
	return 0, fmt.Errorf("your program has no child process")
}
