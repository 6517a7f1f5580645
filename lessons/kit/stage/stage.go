//go:build linux

// Package stage is the command line that all stages share: which steps to run, how to tell them, what to do with
// `-- COMMAND`, and what the exit status is.
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

	"github.com/agnivade/levenshtein"
	"golang.org/x/term"

	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
)

// Run is a step: it tells its story, and returns an error only if something broke that should not have.
type Run func(n *narrate.Narrator) error

// Steps binds the names of the course to the functions of a stage.
type Steps map[string]Run

// Payload is a command for the container so far.
type Payload struct {
	Argv  []string
	Env   []string // nil: the caller's own
	Extra []*os.File
	// Stdin, Stdout and Stderr are the caller's own if nil.
	Stdin, Stdout, Stderr *os.File
	// Quiet asks for no word of ours beside the command's own.
	Quiet bool
	// Started may be called when the command runs: then the sweep happens beside it instead of after it.
	Started func()
}

// A Program is everything that makes a stage.
type Program struct {
	Stage course.Stage
	Steps Steps
	// Check looks for what would make the program act on processes that are not its own, before
	// anything is made: procfs.Check. (A field, because the kit imports no part.)
	Check func() error
	// Sandbox prepares the process in which the steps run, if they must not run in this one: it sets the
	// namespaces in which they play the host. nil: they run right here.
	Sandbox func(*exec.Cmd)
	// SoFarSandboxed says that the container so far, too, needs the sandbox around it as its host.
	SoFarSandboxed bool
	// SandboxCommand, if set, says whether the command line asks for that (the leak table stays outside).
	SandboxCommand func() bool
	// SoFar runs a command in the container so far and returns its exit status, 128+n for a signal.
	SoFar func(Payload) (int, error)
	// Leaks tells the leak table of the container so far.
	Leaks func(n *narrate.Narrator) error
	// Sweep removes what a killed run left: before the steps, and beside or after a command, which it must not delay.
	Sweep func() error
	// Flags adds flags of the stage's own.
	Flags func(*flag.FlagSet)
	// Shell, if set, hands the container over on a terminal: after the first step, instead of the others.
	Shell []string
}

// leaksName stands for the leak table where the name of a step may stand.
const (
	leaksName  = "leaks"
	leaksClaim = "what of the host the container so far still sees or harms, probe by probe"
)

// insideEnv marks the process inside the sandbox: its value is the PID of the parent that made the
// sandbox. A variable that the caller happens to have must not let the steps act on the real host.
const insideEnv = "CONTAINERKIT_SANDBOX"

// Children started by the main goroutine get their parent-death signal from the main thread, which lives as long as
// the process (prctl(2), PR_SET_PDEATHSIG: "parent" is the thread that created the child).
func init() { runtime.LockOSThread() }

// Main runs the program and exits.
func (p Program) Main() {
	child.Init()
	os.Exit(p.main(os.Args[1:]))
}

func (p Program) main(args []string) int {
	var o narrate.Options
	var list bool
	fs := flag.NewFlagSet(p.Stage.Dir, flag.ContinueOnError)
	fs.BoolVar(&list, "list", false, "list the steps with their claims, and stop")
	fs.BoolVar(&o.JSON, "json", false, "one event a line, as JSON, on standard output")
	fs.BoolVar(&o.Quiet, "quiet", false, "claims only; with a command, no narration at all")
	fs.BoolVar(&o.Pause, "pause", false, "wait for Enter before each answer, for a room")
	fs.BoolVar(&o.Without, "without", false, "leave the step's feature out: its claim must then come out ✗")
	if p.Flags != nil {
		p.Flags(fs)
	}
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}

	// The command begins after "--", so that its own flags are not taken for ours.
	var command []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, command = args[:i], args[i+1:]
		if len(command) == 0 || command[0] == "" {
			return p.usage("-- needs a command after it, for example: -- sh -c 'echo hello'")
		}
	}
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		p.help(os.Stdout, fs)
		return 0
	} else if err != nil {
		return p.usage(err.Error())
	}
	if why := misused(o, list, fs.Args(), command); why != "" {
		return p.usage(why)
	}
	if list {
		for _, s := range p.Stage.Steps {
			fmt.Printf("%-10s %s\n", s.Name, s.Claim)
		}
		fmt.Printf("%-10s %s\n", leaksName, leaksClaim)
		return 0
	}
	names := fs.Args()
	for _, name := range names {
		if i := slices.Index(names, name); strings.HasPrefix(name, "-") && i > 0 {
			return p.usage(fmt.Sprintf("flags go before the names of steps: %s", name))
		}
		if _, ok := p.step(name); !ok && name != leaksName {
			return p.usage(fmt.Sprintf("no step %q in %s%s (-list shows them all)", name, p.Stage.Dir, p.guess(name)))
		}
	}
	if len(command) > 0 && len(names) > 0 {
		return p.usage("either steps or -- COMMAND, not both")
	}

	if status := p.check(command); status != 0 {
		return status
	}
	inside := os.Getenv(insideEnv) == strconv.Itoa(os.Getppid())
	_ = os.Unsetenv(insideEnv) // a command in the container must not take itself for a copy
	if i := slices.Index(names, leaksName); i >= 0 && len(names) > 1 {
		return p.usage(leaksName + " is no step among others: it is a run of its own")
	}

	// outside is true in the process that the user started, if the work is done by its copy in the sandbox.
	outside := p.Sandbox != nil && !inside
	if len(names) == 1 && names[0] == leaksName {
		if outside && p.SoFarSandboxed {
			status, _ := p.reenter(o, names, command)
			return status
		}
		p.sweep()
		return p.leaks(o)
	}
	if outside && (len(command) == 0 || p.SoFarSandboxed || p.SandboxCommand != nil && p.SandboxCommand()) {
		p.sweep()
		status, ran := p.reenter(o, names, command)
		if status != 0 || !ran || p.SoFarSandboxed || len(names)+len(command) > 0 || p.interactive(o) {
			return status
		}
		return p.leaks(o)
	}
	if len(command) > 0 {
		if inside {
			p.Sweep = nil // it was done outside
		}
		begin, wait := p.sweepBeside()
		status, err := p.SoFar(Payload{Argv: command, Quiet: o.Quiet, Started: begin})
		wait()
		if err != nil {
			report(p.Stage.Dir, err)
			if status == 0 {
				status = 125 // as `docker run` and `env` do: the container itself failed, not the command
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
	status := p.RunSteps(o, names)
	if status != 0 || !all || inside && !p.SoFarSandboxed {
		return status
	}
	return p.leaks(o)
}

// misused says which flag does not go with the steps or the command that are named; nothing, if all do.
func misused(o narrate.Options, list bool, names, command []string) string {
	switch {
	case list && len(names)+len(command) > 0:
		return "-list lists all steps: it goes with no step and no command"
	case o.Without && slices.Contains(names, leaksName):
		return "-without goes with steps: " + leaksName + " has no feature that it could leave out"
	case len(command) == 0:
		return ""
	}
	for name, set := range map[string]bool{"-json": o.JSON, "-pause": o.Pause, "-without": o.Without} {
		if set {
			return name + " goes with steps: a command is run, and nothing is claimed"
		}
	}
	return ""
}

// check calls Check and reports its error. The status is 0 if there is none.
func (p Program) check(command []string) int {
	if p.Check == nil {
		return 0
	}
	err := p.Check()
	if err == nil {
		return 0
	}
	report(p.Stage.Dir, err)
	if len(command) > 0 {
		return 125
	}
	return 1
}

// interactive tells whether somebody sits there who can be given a shell.
func (p Program) interactive(o narrate.Options) bool {
	return p.Shell != nil && !o.JSON && !o.Quiet && term.IsTerminal(0) && term.IsTerminal(1)
}

// handOver tells the first step and then runs the shell in the container.
func (p Program) handOver(o narrate.Options) int {
	if status := p.RunSteps(o, []string{p.Stage.Steps[0].Name}); status != 0 || o.Without {
		return status
	}
	n := narrate.New(p.Stage.Dir, "", o)
	n.Title("now you: a shell in such a container (exit or Ctrl-D ends it)")
	var rest []string
	for _, s := range p.Stage.Steps[1:] {
		rest = append(rest, s.Name)
	}
	n.Note("afterwards: go run ./%s %s, and go run ./%s </dev/null for all of it with the leak table", p.Stage.Dir, strings.Join(rest, " | "), p.Stage.Dir)
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

// sweepBeside returns a function that begins the sweep, once, and one that waits for its end.
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

// leaks tells the leak table. A run that leaves features out on purpose has none to tell.
func (p Program) leaks(o narrate.Options) int {
	if p.Leaks == nil || o.Without {
		return 0
	}
	n := narrate.New(p.Stage.Dir, "", o)
	defer cancelOnSignal()()
	n.Title("what leaks from the container so far")
	if err := p.Leaks(n); err != nil {
		n.Fail(err)
	}
	if n.Failed() > 0 {
		return 1
	}
	return 0
}

// RunSteps runs the named steps in this process and returns the exit status: 1 if a claim did not hold.
func (p Program) RunSteps(o narrate.Options, names []string) int {
	defer cancelOnSignal()()
	status := 0
	for _, name := range names {
		s, _ := p.step(name)
		n := narrate.New(p.Stage.Dir, name, o)
		n.Title(fmt.Sprintf("%s/%s: %s", p.Stage.Dir, name, s.Claim))
		if err := p.runStep(name, n); err != nil {
			n.Fail(err)
		}
		n.End()
		if n.Failed() > 0 {
			status = 1
		}
		if interrupted() {
			return 130
		}
	}
	return status
}

// runStep turns a panic into an error, so that the deferred clean-ups of the step have run and the next step can too.
func (p Program) runStep(name string, n *narrate.Narrator) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return p.Steps[name](n)
}

// reenter runs this very command line in a copy of the program inside the sandbox.
func (p Program) reenter(o narrate.Options, names, command []string) (status int, ran bool) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideEnv+"="+strconv.Itoa(os.Getpid()))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.Sandbox(cmd)
	// Ctrl-C reaches the whole process group: the copy cleans up, and we wait for it. A signal that is meant for us
	// alone is passed on: if we died of it, the copy would be killed before it could clean up.
	// (Not signal.Ignore: a child inherits an ignored signal.)
	signals := Catch()
	defer signals.Stop()
	if err := cmd.Start(); err != nil {
		return p.refused(o, names, command, fmt.Errorf("start a process in namespaces of its own: %w", err)), false
	}
	signals.Forward(false, func(s syscall.Signal) { _ = cmd.Process.Signal(s) })
	_ = cmd.Wait() // how it ended, its state tells
	return Status(cmd.ProcessState), true
}

// refused tells what cannot run where the kernel does not let us make the sandbox: every step, with the reason.
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

// Status is the exit status of a finished process as a shell reports it: 128+n if signal n ended it.
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

// guess asks for the step or the table whose name is at most two changes away, if there is one. Of a short name at
// least a half must be right.
func (p Program) guess(name string) string {
	best, bestAt := leaksName, levenshtein.ComputeDistance(name, leaksName)
	for _, s := range p.Stage.Steps {
		if d := levenshtein.ComputeDistance(name, s.Name); d < bestAt {
			best, bestAt = s.Name, d
		}
	}
	if bestAt > min(2, len(name)/2) {
		return ""
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
	fmt.Fprintf(w, "  go run ./%s [flags]                run its steps in order, then the leak table\n", d)
	fmt.Fprintf(w, "  go run ./%s [flags] STEP…          run these steps\n", d)
	fmt.Fprintf(w, "  go run ./%s [flags] -- COMMAND…    run a command in the container so far:\n", d)
	fmt.Fprintf(w, "      %s\n\nsteps:\n", p.Stage.Adds)
	for _, s := range p.Stage.Steps {
		fmt.Fprintf(w, "  %-10s %s\n", s.Name, s.Claim)
	}
	fmt.Fprintf(w, "  %-10s %s\n", leaksName, leaksClaim)
	fmt.Fprintf(w, "\nflags:\n")
	fs.SetOutput(w)
	fs.PrintDefaults()
	fmt.Fprintf(w, "\nas root: go run -exec sudo ./%s      exit status: 0, or 1 if a claim did not hold, 2 for a wrong call;\n", d)
	fmt.Fprintf(w, "with a command: the command's own, 128+n if signal n ended it, 125 if the container could not be made.\n")
	fmt.Fprintf(w, "(go run itself turns every failure into 1 and prints the real status; go build ./%s keeps it.)\n", d)
}

// report prints an error in one line: what was wrong, where, and, if we know, what it means here and what to do.
func report(who string, err error) {
	if why := errno.Explain(err); why != "" {
		fmt.Fprintf(os.Stderr, "%s: %v. %s\n", who, err, why)
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", who, err)
}
