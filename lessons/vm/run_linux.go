package vm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/vm/wire"
)

// engines in the order in which auto tries them.
var engines = []Engine{qemu{}, uml{}}

// Run starts a VM, runs the command in it, and returns the command's exit status. An error means that there was none.
func Run(c *Config) (status int, err error) {
	begin := time.Now()
	phase := func(name string) {
		if c.Time {
			fmt.Fprintf(c.Stderr, "%7.3f s  %s%s", time.Since(begin).Seconds(), name, c.newline())
		}
	}
	e, err := choose(c)
	if err != nil {
		return 0, err
	}
	for _, l := range e.Lacks() {
		fmt.Fprintf(c.Stderr, "engine %s has no %s\n", e.Name(), l)
	}
	g, err := goEnv()
	if err != nil {
		return 0, err
	}
	init, err := buildInit(g)
	if err != nil {
		return 0, err
	}
	phase("the guest's /init is built")
	s, err := describe(c, g, e)
	if err != nil {
		return 0, err
	}
	// From now on a signal must not end us without the VM.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGWINCH)
	defer signal.Stop(signals)
	m, err := e.Start(c, init, s)
	if err != nil {
		return 0, err
	}
	phase("started")
	if c.Started != nil {
		c.Started(m.How)
	}
	if c.Time || c.Command == nil || isTerminal(c.Stderr) {
		fmt.Fprintln(c.Stderr, m.How) // a program that reads stderr wants only the command's
	}
	t := &talk{c: c, m: m, s: s, phase: phase, patience: bootTime}
	return t.run(signals)
}

// choose finds the engine that was asked for, or the first that works here.
func choose(c *Config) (Engine, error) {
	if inside := os.Getenv("CONTAINERKIT_VM"); inside != "" {
		return nil, errors.New("this is the VM already (engine " + inside + ")")
	}
	var why []error
	for _, e := range engines {
		if c.Engine != "auto" && c.Engine != e.Name() {
			continue
		}
		err := e.Available(c)
		if err == nil {
			return e, nil
		}
		why = append(why, err)
	}
	// What the first engine lacks is the shortest way to one that has it all.
	return nil, why[0]
}

// goVars is what the go command knows of this machine.
type goVars struct{ GOROOT, GOCACHE, GOMODCACHE, GOMOD, GOFLAGS, tool string }

// goEnv asks the go command, which every learner has: how else would this run?
func goEnv() (goVars, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return goVars{}, fmt.Errorf("%w: it builds what runs in the VM; add its directory to PATH", err)
	}
	var g goVars
	var errs bytes.Buffer
	cmd := exec.Command(tool, "env", "-json", "GOROOT", "GOCACHE", "GOMODCACHE", "GOMOD", "GOFLAGS")
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &g)
	}
	if err != nil {
		return goVars{}, fmt.Errorf("go env: %w %s", err, &errs)
	}
	if text, err := os.ReadFile(g.GOMOD); err != nil || !bytes.HasPrefix(text, []byte("module containerkit\n")) {
		return goVars{}, errors.New("start the VM in the kit's checkout, the directory with its go.mod: what runs in the VM is built there")
	}
	g.tool = tool
	// The VM sees some directories only, by their own paths: a link that leads to one is not there.
	for _, path := range []*string{&g.GOROOT, &g.GOCACHE, &g.GOMODCACHE, &g.GOMOD} {
		*path = realPath(*path)
	}
	return g, nil
}

// realPath is a path without symbolic links. What is not there yet stays as it is.
func realPath(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return path
}

// buildInit builds the guest's /init. "go run" keeps the program that it has linked in Go's build cache, "go build"
// does not; and "-exec cat" makes it print the program instead of running it.
//
// It prints into a file in memory and not into a pipe: if we are killed meanwhile it comes to its end all the same, and
// removes its temporary directory, where a closed pipe would kill it as well.
func buildInit(g goVars) ([]byte, error) {
	out, err := inMemory("init", nil)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	var errs bytes.Buffer
	cmd := exec.Command(g.tool, "run", "-exec", "cat", "-ldflags=-s -w", "containerkit/lessons/vm/init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=") // a static program: there is no library yet where it runs
	cmd.Dir = filepath.Dir(g.GOMOD)
	cmd.Stdout, cmd.Stderr = out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("build the guest's /init: %w\n%s", err, &errs)
	}
	return os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", out.Fd()))
}

// describe tells the guest what to set up and what to run.
func describe(c *Config, g goVars, e Engine) (*wire.Start, error) {
	checkout := filepath.Dir(g.GOMOD)
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if cwd = realPath(cwd); !within(cwd, checkout) {
		cwd = checkout
	}
	// The room raises the engine's soft limit to this one.
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	s := &wire.Start{
		Files: files.Max, Hostname: "containerkit-vm", Checkout: checkout, Dir: cwd, User: c.User, Time: c.Time,
		Argv: c.Command, Shell: "/bin/sh", GoCache: g.GOCACHE, NoSUID: !namespace.Capable(unix.CAP_SETUID),
		TTY:  isTerminal(c.Stdin) && isTerminal(c.Stdout) && isTerminal(c.Stderr),
		Open: append([]string{checkout, g.GOROOT, g.GOMODCACHE, g.GOCACHE}, c.Keep...),
	}
	for _, dir := range s.Open {
		for _, covered := range []string{"/tmp", "/run", "/var/tmp"} {
			if within(dir, covered) {
				s.Keep = append(s.Keep, dir)
			}
		}
	}
	if _, err := exec.LookPath("/bin/bash"); err == nil {
		s.Shell = "/bin/bash"
	}
	if s.Argv == nil {
		// Not as a login shell, and without the user's own settings: what they start, an emulated machine is slow at.
		if s.Argv = []string{s.Shell}; s.Shell == "/bin/bash" {
			s.Argv = append(s.Argv, "--norc")
		}
	}
	if s.TTY {
		s.Size = windowSize(c.Stdout)
	}
	path := os.Getenv("PATH")
	if dir := filepath.Dir(g.tool); !slices.Contains(filepath.SplitList(path), dir) {
		path = dir + ":" + path
	}
	flags := g.GOFLAGS
	if !strings.Contains(flags, "-buildvcs") {
		// Git refuses to read a checkout that is somebody else's, as ours may be in the guest.
		flags = strings.TrimSpace(flags + " -buildvcs=false")
	}
	s.Env = []string{"PATH=" + path + ":/run/containerkit", "SHELL=" + s.Shell, "TMPDIR=/tmp", "CONTAINERKIT_VM=" + e.Name(),
		`PS1=\u@\h:\w\$ `,
		// There is no network in the VM: what is not in the caches cannot be had.
		"GOMODCACHE=" + g.GOMODCACHE, "GOFLAGS=" + flags, "GOPROXY=off", "GOTOOLCHAIN=local"}
	home := os.Getenv("HOME")
	if home == "" {
		home = "/"
	}
	// For root; what the learner has instead, the guest knows.
	s.Env = append(s.Env, "HOME="+home, "USER=root", "LOGNAME=root", "GOCACHE="+g.GOCACHE)
	for _, name := range []string{"TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "CI", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			s.Env = append(s.Env, name+"="+v)
		}
	}
	return s, nil
}

// within reports whether path is dir or lies below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

func isTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

func windowSize(f *os.File) wire.Size {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return wire.Size{Rows: 24, Cols: 80}
	}
	return wire.Size{Rows: uint16(h), Cols: uint16(w)}
}

// newline ends a line also while the terminal is raw.
func (c *Config) newline() string {
	if c.raw.Load() {
		return "\r\n"
	}
	return "\n"
}

// bootTime is how long a guest may take until the command runs. A busy host needs a minute where an idle one needs seconds.
const bootTime = 3 * time.Minute

// A talk is the conversation with the guest while it runs.
type talk struct {
	c        *Config
	m        *Machine
	s        *wire.Start
	phase    func(string)
	patience time.Duration // until the command runs

	mu   sync.Mutex
	tail []string // the console's last lines
}

type frame struct {
	kind wire.Kind
	data []byte
	err  error
}

// run leads the conversation to its end, and ends the machine.
func (t *talk) run(signals <-chan os.Signal) (status int, err error) {
	consoleDone := make(chan struct{})
	go t.console(consoleDone)
	ended := make(chan error, 1)
	go func() { ended <- t.m.Wait() }()
	restore := func() {}
	defer func() {
		t.m.Kill()
		if ended != nil {
			<-ended
		}
		t.m.Conn.Close()
		<-consoleDone
		restore()
	}()
	frames := make(chan frame)
	quit := make(chan struct{})
	defer close(quit)
	go func() {
		for {
			k, data, err := wire.Read(t.m.Conn)
			select {
			case frames <- frame{k, data, err}:
			case <-quit:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	out := wire.NewWriter(t.m.Conn)
	taken := make(chan struct{}, 1)
	late := time.NewTimer(t.patience)
	defer late.Stop()
	runs, interrupts := false, 0
	first := true
	var over error // why the machine has ended
	for {
		// What a machine that has ended said before is read to its end, however slowly our output is taken.
		var silence <-chan time.Time
		if ended == nil {
			silence = time.After(3 * time.Second)
		}
		select {
		case over = <-ended:
			ended = nil
		case <-silence:
			return 0, t.died(over)
		case <-t.c.Cancel:
			return 0, ErrCancelled
		case <-late.C:
			return 0, t.died(fmt.Errorf("the command does not run after %v", t.patience))
		case sig := <-signals:
			s := sig.(syscall.Signal)
			switch {
			case s == syscall.SIGWINCH:
				if runs && t.s.TTY {
					_ = out.Write(wire.KindSize, windowSize(t.c.Stdout).Bytes())
				}
				continue
			case s == syscall.SIGINT:
				interrupts++
			}
			// Nobody to tell it to, or nobody who listens: the machine goes.
			if !runs || s == syscall.SIGHUP || interrupts > 2 {
				return 128 + int(s), nil
			}
			_ = out.Write(wire.KindSignal, []byte{byte(s)})
		case f := <-frames:
			if f.err != nil {
				// The processes end a moment after the stream, if not before; they know why.
				if ended != nil {
					select {
					case over = <-ended:
						ended = nil
					case <-time.After(3 * time.Second):
						over = fmt.Errorf("read from the guest: %w", f.err)
					}
				}
				return 0, t.died(over)
			}
			switch f.kind {
			case wire.KindHello:
				t.phase("the kernel runs /init, which has found the stream")
				go t.start(out, taken, quit)
			case wire.KindPhase:
				t.phase(string(f.data))
			case wire.KindRuns:
				runs = true
				late.Stop()
				t.phase("the command runs")
				if t.s.TTY {
					old, err := term.MakeRaw(int(t.c.Stdin.Fd()))
					if err != nil {
						return 0, fmt.Errorf("make the terminal raw: %w", err)
					}
					t.c.raw.Store(true)
					restore = func() { _ = term.Restore(int(t.c.Stdin.Fd()), old); t.c.raw.Store(false) }
				}
				go t.input(out, taken, quit)
			case wire.KindTaken:
				taken <- struct{}{}
			case wire.KindOut, wire.KindErr:
				if first {
					first = false
					t.phase("its first output")
				}
				to := t.c.Stdout
				if f.kind == wire.KindErr {
					to = t.c.Stderr
				}
				if _, err := to.Write(f.data); err != nil {
					return 0, err
				}
			case wire.KindExit:
				t.phase("the command has ended")
				var e wire.Exit
				if err := json.Unmarshal(f.data, &e); err != nil {
					return 0, err
				}
				if e.Error != "" {
					fmt.Fprintf(t.c.Stderr, "lessons vm: %s%s", e.Error, t.c.newline())
				}
				return e.Status, nil
			}
		}
	}
}

// start tells the guest what to do. If the stream breaks meanwhile, run notices.
func (t *talk) start(out *wire.Writer, taken, quit <-chan struct{}) {
	text, err := json.Marshal(t.s)
	for ; err == nil && len(text) > t.m.Piece; text = text[t.m.Piece:] {
		err = out.Write(wire.KindPart, text[:t.m.Piece])
		select {
		case <-taken:
		case <-quit:
			return
		}
	}
	if err == nil {
		_ = out.Write(wire.KindStart, text)
	}
}

// input passes on what is typed, a piece at a time: the next when the command has taken the last, so that a command
// which does not read does not keep signals from it.
func (t *talk) input(out *wire.Writer, taken, quit <-chan struct{}) {
	buf := make([]byte, t.m.Piece)
	for {
		n, err := 0, io.EOF
		if t.c.Stdin != nil {
			n, err = t.c.Stdin.Read(buf)
		}
		if n > 0 || err != nil {
			if out.Write(wire.KindInput, buf[:n]) != nil || n == 0 {
				return
			}
		}
		select {
		case <-taken:
		case <-quit:
			return
		}
	}
}

// console keeps the last lines of what the kernel says, and prints them all if that was asked for.
func (t *talk) console(done chan<- struct{}) {
	defer close(done)
	r := bufio.NewReader(t.m.Console)
	for {
		line, err := r.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			t.mu.Lock()
			t.tail = append(t.tail, line)
			t.tail = t.tail[max(0, len(t.tail)-20):]
			t.mu.Unlock()
			if t.c.Console {
				fmt.Fprintf(t.c.Stderr, "%s%s", line, t.c.newline())
			}
		}
		if err != nil {
			return
		}
	}
}

// died is the error of a machine that ended before its command did.
func (t *talk) died(err error) error {
	time.Sleep(50 * time.Millisecond) // the console's last words
	t.mu.Lock()
	defer t.mu.Unlock()
	text := "the VM was switched off before the command had ended"
	if err != nil {
		text = "the VM has died: " + err.Error()
	}
	if len(t.tail) > 0 && !t.c.Console {
		text += "; its console said last:\n  " + strings.Join(t.tail, "\n  ")
	}
	return errors.New(text)
}
