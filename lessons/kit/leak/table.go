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

// SoFar runs a payload in the container so far, and returns its exit status.
type SoFar func(stage.Payload) (int, error)

// A Finding is the answer to one probe.
type Finding struct {
	Probe
	Leaked   bool
	Saw      string
	Promised bool   // that it leaks
	Cannot   string // why there is no answer: the host itself lacks what the probe would use
}

// Table runs every probe in the container so far of a stage (1 to 5), tells what it found, and proves that the stage
// keeps its promise. limits tells whether a cgroup could be made, root whether root started it. It must be called
// from the main goroutine.
func Table(n *narrate.Narrator, number int, root, limits bool, soFar SoFar) error {
	findings, err := Run(number, root, limits, soFar)
	if err != nil {
		return err
	}
	// The control: the same probes in a process without any container.
	bare, err := Run(number, root, limits, plain)
	if err != nil {
		return fmt.Errorf("without a container: %w", err)
	}
	sealed := countSealed(findings)
	var broken []string
	for _, f := range findings {
		if f.Cannot != "" {
			n.Skip("probe "+f.Name+": "+f.Cannot, false)
			continue
		}
		text := f.Question
		if f.Leaked && f.Later != "" && f.Unsealable == nil && number == 5 {
			text += " — sealed by " + f.Later
		}
		if f.Unsealable != nil && f.Unsealable() != "" {
			text += " — " + f.Unsealable()
		} else if f.Limit && !limits {
			text += " — sealed by a cgroup of one's own: see `go run ./lessons doctor`"
		}
		n.Leak(f.Name, text, !f.Leaked, narrate.Data{"saw": f.Saw, "promised": !f.Promised})
		if f.Leaked != f.Promised {
			broken = append(broken, f.Name)
		}
	}
	if len(broken) > 0 {
		n.Note("not as promised: %s", strings.Join(broken, ", "))
	}
	n.Proof("the stage seals what it promises, and nothing else", len(broken) == 0,
		fmt.Sprintf("%d of %d probes sealed", sealed, len(findings)), fmt.Sprintf("%d sealed", countSealed(bare)))
	return nil
}

func countSealed(findings []Finding) (count int) {
	for _, f := range findings {
		if !f.Leaked && f.Cannot == "" {
			count++
		}
	}
	return count
}

// plain runs a payload with nothing around it.
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

// Run runs every probe and returns what was found, in the order of Probes.
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
	// The attacker ends with the conversation, and the container with it; soFar removes what is left.
	defer stage.OnInterrupt(func() { _ = ours.Close() })()
	if stage.Interrupted() {
		return nil, errInterrupted
	}

	// The container needs this thread to be started and waited for; the questions are asked beside it.
	type result struct {
		findings []Finding
		err      error
	}
	asked := make(chan result, 1)
	go func() {
		f, err := interrogate(h, ours, number, root, limits)
		ours.Close() // whatever went wrong, the attacker ends with the conversation
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
				err = errors.New("the attacker died")
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
			// That is no seal.
			h.cannot[p.Name] = "it got no more than " + a.Saw + ", though nothing here limits it: the machine is busy, or limited itself"
		}
		findings = append(findings, Finding{p, a.Leaks, a.Saw, promised, h.cannot[p.Name]})
		if err := c.Send(true); err != nil {
			return nil, err
		}
	}
	return findings, nil
}
