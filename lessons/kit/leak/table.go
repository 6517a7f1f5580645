//go:build linux

package leak

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// SoFar runs a command in the container at a stage, and returns its exit status.
type SoFar func(stage.Payload) (int, error)

// A Finding is the result of one probe.
type Finding struct {
	Probe
	Leaked   bool
	Saw      string
	Promised bool   // whether the stage promises that the probe leaks
	Cannot   string // why there is no result, if the host lacks what the probe needs
}

// Table runs every probe in the container at a stage (1 to 5), prints the results, and claims that
// the stage keeps its promises. limits reports whether a cgroup can be created, root whether root
// starts the container. Call it from the main goroutine.
func Table(n *narrate.Narrator, number int, root, limits bool, soFar SoFar) error {
	findings, err := Run(number, root, limits, soFar)
	if err != nil {
		return err
	}
	// The control: the same probes in an ordinary process.
	bare, err := Run(number, root, limits, plain)
	if err != nil {
		return fmt.Errorf("without a container: %w", err)
	}
	var broken []string
	same := needs{n: n}
	for _, f := range findings {
		if f.Cannot != "" {
			same.next("")
			n.Skip(fmt.Sprintf("can't try to %s: %s", f.Attack, f.Cannot), false)
			continue
		}
		d := narrate.Data{"saw": f.Saw, "promised": !f.Promised}
		reason := ""
		if f.Leaked {
			reason = f.needs(number, root, limits)
			d["reason"] = reason
		}
		same.next(reason)
		n.Leak(f.Name, f.Attack, !f.Leaked, d)
		if f.Leaked != f.Promised {
			broken = append(broken, f.Name)
		}
	}
	same.next("")
	rows := []narrate.Row{narrate.Compare("sealed", fmt.Sprintf("%d of %d", countSealed(findings), len(findings)),
		"without a container", countSealed(bare))}
	if len(broken) > 0 {
		rows = append(rows, narrate.Show("not as promised", strings.Join(broken, ", ")))
	}
	n.Proof(fmt.Sprintf("Stage %02d seals what it promises, and nothing else", number), len(broken) == 0, rows...)
	return nil
}

// needs prints once what would seal several leaks in a row, below them.
type needs struct {
	n      *narrate.Narrator
	reason string
	count  int
}

// next is called before each probe with its reason, "" for one that is sealed, and at the end.
func (s *needs) next(reason string) {
	if reason == s.reason {
		s.count++
		return
	}
	switch {
	case s.reason == "":
	case s.count == 1:
		s.n.Note("This one needs %s.", s.reason)
	default:
		s.n.Note("These %d need %s.", s.count, s.reason)
	}
	s.reason, s.count = reason, 1
}

func countSealed(findings []Finding) (count int) {
	for _, f := range findings {
		if !f.Leaked && f.Cannot == "" {
			count++
		}
	}
	return count
}

// plain runs a command as an ordinary process.
func plain(p stage.Payload) (int, error) {
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	cmd.ExtraFiles, cmd.Stderr = p.Extra, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return 125, err
	}
	return stage.Status(cmd.ProcessState), nil
}

// Run runs every probe and returns the results in the order of Probes.
func Run(number int, root, limits bool, soFar SoFar) ([]Finding, error) {
	h, err := newHost()
	if err != nil {
		return nil, fmt.Errorf("set up the markers: %w", err)
	}
	defer h.close()
	defer stage.OnInterrupt(h.close)()

	exe, err := child.Executable()
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	ours, theirs, err := child.Pair()
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	// The attacker exits when the conversation is closed, and so the container; soFar cleans up.
	defer stage.OnInterrupt(func() { _ = ours.Close() })()
	if stage.Interrupted() {
		return nil, errInterrupted
	}

	// The container is started and waited for by this thread, so another one talks to the attacker.
	type result struct {
		findings []Finding
		err      error
	}
	asked := make(chan result, 1)
	go func() {
		f, err := interrogate(h, ours, number, root, limits)
		ours.Close() // even after an error, so that the attacker exits
		asked <- result{f, err}
	}()
	status, err := soFar(stage.Payload{Argv: child.Argv(attacker, 3, 4, h.tag), Extra: []*os.File{exe, theirs}, Quiet: true, Started: func() {}})
	theirs.Close()
	r := <-asked
	if err != nil || status != 0 {
		return nil, errors.Join(fmt.Errorf("run the probes: exit status %d", status), err, r.err)
	}
	return r.findings, r.err
}

var errInterrupted = errors.New("interrupted")

func interrogate(h *host, c *child.Conn, number int, root, limits bool) ([]Finding, error) {
	if err := c.Send(h.m); err != nil {
		return nil, err
	}
	var findings []Finding
	for _, p := range Probes {
		var a answer
		if err := c.Receive(&a); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the attacker was killed")
			}
			return nil, fmt.Errorf("probe %s: %w", p.Name, err)
		}
		if a.Probe != p.Name {
			return nil, fmt.Errorf("asked for probe %s, got the answer to %s", p.Name, a.Probe)
		}
		if p.outside != nil {
			h.told, h.saw = a.Leaks, a.Saw
			leaks, saw := p.outside(h)
			a.Leaks = leaks
			if saw != "" {
				a.Saw = saw
			}
		}
		promised := p.Leaks(number, root, limits) || p.Unsealable != nil && p.Unsealable() != ""
		if p.Limit && promised && !a.Leaks && p.Name == "cpu" {
			// No limit has sealed it.
			h.cannot[p.Name] = "it got only " + a.Saw + " without a limit: the machine is busy, or has its own limit"
		}
		findings = append(findings, Finding{p, a.Leaks, a.Saw, promised, h.cannot[p.Name]})
		if err := c.Send(true); err != nil {
			return nil, err
		}
	}
	return findings, nil
}
