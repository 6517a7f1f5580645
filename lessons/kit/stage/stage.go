//go:build linux

// Package stage implements the command line that all stages share: it runs steps, the leak table,
// or a command in the container, and sets the exit status.
package stage

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/agnivade/levenshtein"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
)

// A Run narrates a step. It returns an error only if a call fails that should succeed.
type Run func(n *narrate.Narrator) error

// Steps maps the names of the steps to the functions of a stage.
type Steps map[string]Run

// A Payload is a command for the container at a stage.
type Payload struct {
	Argv  []string
	Env   []string // nil: the caller's own
	Extra []*os.File
	// Stdin, Stdout and Stderr are the caller's own if nil.
	Stdin, Stdout, Stderr *os.File
	// Quiet means that only the command prints.
	Quiet bool
	// Started can be called when the command runs: then leftovers are removed meanwhile, not
	// afterwards.
	Started func()

	caught func() *Signals
}

// A Program describes a stage.
type Program struct {
	Stage course.Stage
	Steps Steps
	// Check returns an error if the program would act on processes of others: procfs.Check. It runs
	// before the program creates anything. (It is a field because this package imports no stage.)
	Check func() error
	// Sandbox prepares the process in which the steps run: it sets the namespaces that stand in for
	// the host. If it is nil, the steps run in this process.
	Sandbox func(*exec.Cmd)
	// SoFarSandboxed means that the container, too, runs in the sandbox.
	SoFarSandboxed bool
	// SandboxCommand, if set, reports whether the flags put a command into the sandbox. (The leak
	// table stays outside.)
	SandboxCommand func() bool
	// SoFar runs a command in the container at this stage, and returns its exit status, 128+n for
	// signal n.
	SoFar func(Payload) (int, error)
	// Leaks prints the leak table of the container at this stage.
	Leaks func(n *narrate.Narrator) error
	// Sweep removes leftovers of killed runs: before the steps, and, to save time, during or after
	// a command.
	Sweep func() error
	// Flags adds the stage's own flags.
	Flags func(*flag.FlagSet)
	// Shell, if set, is a command that replaces the steps after the first one if there is a
	// terminal.
	Shell []string
}

// The leak table has a name and a claim, as a step does.
const (
	leaksName  = "leaks"
	leaksClaim = "what the container can still do to the host, probe by probe"
)

// insideEnv is the variable that marks the process in the sandbox. Its value is the PID of the
// parent that created the sandbox, because a variable from the caller must not make the steps act
// on the real host.
const insideEnv = "CONTAINERKIT_SANDBOX"

// The parent-death signal of a child comes when the thread exits that created it (prctl(2),
// PR_SET_PDEATHSIG). For children of the main goroutine that is the main thread, which lives as
// long as the process.
func init() { runtime.LockOSThread() }

// Main runs the program and exits.
func (p Program) Main() {
	child.Init()
	status := p.main(os.Args[1:])
	if err := narrate.Stdout.Err(); err != nil {
		report(p.Stage.Dir, err)
		status = max(status, 1)
	}
	os.Exit(status)
}

func (p Program) main(args []string) int {
	var o narrate.Options
	var list bool
	fs := flag.NewFlagSet(p.Stage.Dir, flag.ContinueOnError)
	fs.BoolVar(&list, "list", false, "list the steps and their claims")
	fs.BoolVar(&o.JSON, "json", false, "print one JSON event per line")
	fs.BoolVar(&o.Quiet, "quiet", false, "print claims only; with a command, only its output")
	fs.BoolVar(&o.Verbose, "v", false, "also print Go calls, sources, commands, details and cleanup")
	fs.BoolVar(&o.Pause, "pause", false, "wait for Enter before each result")
	fs.BoolVar(&o.Without, "without", false, "leave out the step's feature, so that its claims fail")
	if p.Flags != nil {
		p.Flags(fs)
	}
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}

	// The command follows "--": its flags are not for us.
	var command []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, command = args[:i], args[i+1:]
		if len(command) == 0 || command[0] == "" {
			return p.usage("-- needs a command after it, for example: -- sh -c 'echo hello'")
		}
	}
	caught := listen
	if len(command) > 0 {
		caught = catchBeside()
	}
	help := slices.Equal(args, []string{"help"})
	if err := fs.Parse(args); help || errors.Is(err, flag.ErrHelp) {
		p.help(narrate.Stdout, fs)
		return 0
	} else if err != nil {
		return p.usage(err.Error())
	}
	if why := misused(o, list, fs.Args(), command); why != "" {
		return p.usage(why)
	}
	if list {
		for _, s := range p.Stage.Steps {
			fmt.Fprintf(narrate.Stdout, "%-10s %s\n", s.Name, s.Claim)
		}
		fmt.Fprintf(narrate.Stdout, "%-10s %s\n", leaksName, leaksClaim)
		return 0
	}
	names := fs.Args()
	for _, name := range names {
		if i := slices.Index(names, name); strings.HasPrefix(name, "-") && i > 0 {
			return p.usage(fmt.Sprintf("flags go before the steps: %s", name))
		}
		if _, ok := p.step(name); !ok && name != leaksName {
			return p.usage(fmt.Sprintf("no step %q%s", name, p.guess(name)))
		}
	}
	if len(command) > 0 && len(names) > 0 {
		return p.usage("name either steps or -- COMMAND, not both")
	}

	if len(command) == 0 {
		listen()
	}
	if status := p.check(command); status != 0 {
		return status
	}
	inside := os.Getenv(insideEnv) == strconv.Itoa(os.Getppid())
	_ = os.Unsetenv(insideEnv) // a command in the container is not in the sandbox
	if i := slices.Index(names, leaksName); i >= 0 && len(names) > 1 {
		return p.usage(leaksName + " runs alone, without other steps")
	}

	// outside reports whether a copy of this process does the work, in the sandbox.
	outside := p.Sandbox != nil && !inside
	if len(names) == 1 && names[0] == leaksName {
		if outside && p.SoFarSandboxed {
			status, _ := p.reenter(o, names, command, caught)
			return status
		}
		p.sweep()
		return p.leaks(o)
	}
	if outside && (len(command) == 0 || p.SoFarSandboxed || p.SandboxCommand != nil && p.SandboxCommand()) {
		p.sweep()
		status, ran := p.reenter(o, names, command, caught)
		if status != 0 || !ran || p.SoFarSandboxed || len(names)+len(command) > 0 || p.interactive(o) {
			return status
		}
		return p.leaks(o)
	}
	if len(command) > 0 {
		if inside {
			p.Sweep = nil // the parent has removed the leftovers
		}
		begin, wait := p.sweepBeside()
		status, err := p.SoFar(Payload{Argv: command, Quiet: o.Quiet, Started: begin, caught: caught})
		wait()
		if err != nil && (status == 0 || status == 125) {
			status, err = caught().Blame(err)
		}
		if err != nil {
			report(p.Stage.Dir, err)
			if status == 0 {
				status = 125 // as docker run and env(1) do: the container failed, not the command
			}
		}
		return status
	}
	if !inside {
		p.sweep()
	}
	all := len(names) == 0
	if all {
		for _, s := range p.Stage.Steps {
			names = append(names, s.Name)
		}
	}
	if all && p.interactive(o) {
		return p.handOver(o)
	}
	status := p.runSteps(o, names)
	if status != 0 || !all || inside && !p.SoFarSandboxed {
		return status
	}
	return p.leaks(o)
}

// misused returns which flag does not fit the steps or the command, "" if all flags do.
func misused(o narrate.Options, list bool, names, command []string) string {
	switch {
	case list && len(names)+len(command) > 0:
		return "-list lists all steps: it can't be used with a step or a command"
	case o.Without && slices.Contains(names, leaksName):
		return "-without needs a step: " + leaksName + " has no feature to leave out"
	case len(command) == 0:
		return ""
	}
	for name, set := range map[string]bool{"-json": o.JSON, "-pause": o.Pause, "-without": o.Without} {
		if set {
			return name + " needs a step: a command makes no claims"
		}
	}
	return ""
}

// fewestFiles is the number of files that a stage can need at once: as root on cgroup v1, it opens
// one for each hierarchy, and the leak table keeps a file descriptor with a high number. Go's
// runtime crashes if it can't open a file.
const fewestFiles = 128

// enoughFiles returns an error if the limit on open files is too low. Go has already raised the
// soft limit to the hard limit.
func enoughFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return os.NewSyscallError("getrlimit(RLIMIT_NOFILE)", err)
	}
	if limit.Cur < fewestFiles {
		return fmt.Errorf("this process can open %d files, and needs at least %d: raise the limit (ulimit -n)",
			limit.Cur, fewestFiles)
	}
	return nil
}

// check checks the limit on open files, calls Check and prints an error. It returns status 0
// without one.
func (p Program) check(command []string) int {
	err := enoughFiles()
	if err == nil && p.Check != nil {
		err = p.Check()
	}
	if err == nil {
		return 0
	}
	report(p.Stage.Dir, err)
	if len(command) > 0 {
		return 125
	}
	return 1
}

// interactive reports whether the stage has a shell, and a terminal for it.
func (p Program) interactive(o narrate.Options) bool {
	return p.Shell != nil && !o.JSON && !o.Quiet && term.IsTerminal(0) && term.IsTerminal(1)
}

// handOver runs the first step, and then a shell in the container.
func (p Program) handOver(o narrate.Options) int {
	if status := p.runSteps(o, []string{p.Stage.Steps[0].Name}); status != 0 || o.Without {
		return status
	}
	n := narrate.New(p.Stage.Dir, "", o)
	n.Title("Your turn: a shell in the container (leave it with exit or Ctrl-D)")
	var rest []string
	for _, s := range p.Stage.Steps[1:] {
		rest = append(rest, s.Name)
	}
	n.Note("Next: go run ./%s %s. All steps and the leak table: go run ./%s </dev/null",
		p.Stage.Dir, strings.Join(rest, " | "), p.Stage.Dir)
	status, err := p.SoFar(Payload{Argv: p.Shell, Quiet: true, Started: func() {}})
	if err != nil {
		report(p.Stage.Dir, err)
	}
	return status
}

func (p Program) sweep() {
	if p.Sweep == nil {
		return
	}
	if err := p.Sweep(); err != nil {
		report(p.Stage.Dir, err)
	}
}

// sweepBeside returns a function that starts Sweep once, and one that waits until it is done.
func (p Program) sweepBeside() (begin, wait func()) {
	done := make(chan struct{})
	begin = sync.OnceFunc(func() {
		go func() {
			p.sweep()
			close(done)
		}()
	})
	return begin, func() { begin(); <-done }
}

// leaks prints the leak table, except with -without.
func (p Program) leaks(o narrate.Options) int {
	if p.Leaks == nil || o.Without {
		return 0
	}
	n := narrate.New(p.Stage.Dir, "", o)
	defer cancelOnSignal(10 * time.Second)()
	n.Title("What the container can still do to the host")
	err := p.Leaks(n)
	if blamesSignal(err) {
		return interruptStatus()
	}
	if err != nil {
		n.Fail(err)
	}
	if n.Failed() > 0 {
		return 1
	}
	return 0
}

// runSteps runs the named steps in this process. The exit status is 1 if a claim does not hold.
func (p Program) runSteps(o narrate.Options, names []string) int {
	defer cancelOnSignal(0)()
	status := 0
	for _, name := range names {
		s, _ := p.step(name)
		n := narrate.New(p.Stage.Dir, name, o)
		n.Title(fmt.Sprintf("%s/%s: %s", p.Stage.Dir, name, s.Claim))
		if err := p.runStep(name, n); err != nil && !blamesSignal(err) {
			n.Fail(err)
		}
		n.End()
		if n.Failed() > 0 {
			status = 1
		}
		if Interrupted() {
			return interruptStatus()
		}
	}
	return status
}

// runStep runs a step. It returns a panic as an error, so that the step cleans up and the next one
// runs.
func (p Program) runStep(name string, n *narrate.Narrator) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return p.Steps[name](n)
}

// reenter runs the same command line in a copy of the program, in the sandbox.
func (p Program) reenter(o narrate.Options, names, command []string, caught func() *Signals) (status int, ran bool) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideEnv+"="+strconv.Itoa(os.Getpid()))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.Sandbox(cmd)
	// Ctrl-C reaches the whole process group: the copy cleans up, and we wait for it. We forward a
	// signal that only we receive: if it terminated us, the kernel would kill the copy before it
	// could clean up. (Not signal.Ignore: a child inherits ignored signals.)
	signals := caught()
	if err := cmd.Start(); err != nil {
		return p.refused(o, names, command, fmt.Errorf("start a process in new namespaces: %w", err)), false
	}
	defer signals.Forward(false, func(s syscall.Signal) { _ = cmd.Process.Signal(s) })()
	_ = cmd.Wait() // its state has the status
	return Status(cmd.ProcessState), true
}

// refused skips every step, with the reason why the kernel does not create the sandbox.
func (p Program) refused(o narrate.Options, names, command []string, err error) int {
	if len(command) > 0 {
		report(p.Stage.Dir, err)
		return 125
	}
	reason := err.Error()
	if why := errno.Explain(err); why != "" {
		reason += "; " + why
	}
	if len(names) == 0 {
		for _, s := range p.Stage.Steps {
			names = append(names, s.Name)
		}
	}
	for _, name := range names {
		n := narrate.New(p.Stage.Dir, name, o)
		n.Title(p.Stage.Dir + "/" + name)
		n.Skip(reason, true)
	}
	return 0
}

// Status returns the exit status of a process as a shell reports it: 128+n if signal n terminated
// it.
func Status(ps *os.ProcessState) int {
	if ws, ok := ps.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ps.ExitCode()
}

func (p Program) step(name string) (course.Step, bool) {
	i := slices.IndexFunc(p.Stage.Steps, func(s course.Step) bool { return s.Name == name })
	if i < 0 {
		return course.Step{}, false
	}
	return p.Stage.Steps[i], true
}

// guess suggests a step for a name with at most two wrong letters, if at least half of the letters
// are right. Otherwise it suggests -list.
func (p Program) guess(name string) string {
	best, bestAt := leaksName, levenshtein.ComputeDistance(name, leaksName)
	for _, s := range p.Stage.Steps {
		if d := levenshtein.ComputeDistance(name, s.Name); d < bestAt {
			best, bestAt = s.Name, d
		}
	}
	if bestAt > min(2, len(name)/2) {
		return fmt.Sprintf("; go run ./%s -list shows the steps", p.Stage.Dir)
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

func (p Program) usage(text string) int {
	fmt.Fprintf(os.Stderr, "%s: %s\n", p.Stage.Dir, text)
	fmt.Fprintf(os.Stderr, "try: go run ./%s -h\n", p.Stage.Dir)
	return 2
}

func (p Program) help(w io.Writer, fs *flag.FlagSet) {
	d := p.Stage.Dir
	fmt.Fprintf(w, "%s: %s\n\n", d, p.Stage.Title)
	fmt.Fprintf(w, "  go run ./%s [flags]              run all steps, then the leak table\n", d)
	fmt.Fprintf(w, "  go run ./%s [flags] STEP…        run these steps\n", d)
	fmt.Fprintf(w, "  go run ./%s [flags] -- COMMAND…  run a command in the container:\n", d)
	fmt.Fprintf(w, "      this stage adds %s\n\nSteps:\n", p.Stage.Adds)
	for _, s := range p.Stage.Steps {
		fmt.Fprintf(w, "  %-10s %s\n", s.Name, s.Claim)
	}
	fmt.Fprintf(w, "  %-10s %s\n", leaksName, leaksClaim)
	fmt.Fprintf(w, "\nFlags:\n")
	fs.SetOutput(w)
	fs.PrintDefaults()
	fmt.Fprintf(w, "\nAs root: go run -exec sudo ./%s\n", d)
	fmt.Fprintf(w, "Exit status: 0; 1 if a claim fails; 2 for a usage error. With a command: its own,\n")
	fmt.Fprintf(w, "128+n if signal n terminated it, 127 if it is not found, 126 if it cannot be executed,\n")
	fmt.Fprintf(w, "125 if the container could not be created.\n")
	fmt.Fprintf(w, "(go run turns every failure into 1 and prints the status; go build ./%s keeps it.)\n", d)
}

// report prints an error on one line, with its explanation if there is one.
func report(program string, err error) {
	if why := errno.Explain(err); why != "" {
		fmt.Fprintf(os.Stderr, "%s: %v. %s\n", program, err, why)
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
}
