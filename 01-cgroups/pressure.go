//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/narrate"
)

// pressure: the kernel tells who waits.
func pressure(n *narrate.Narrator) error {
	n.Question("How do I see that a program waits, and for what?")
	if _, err := os.ReadFile("/proc/pressure/cpu"); err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP) {
			n.Skip(fmt.Sprintf("the kernel does not measure pressure (%v); to run it: boot with psi=1", err), true)
			return nil
		}
		return err
	}
	h, err := find(n)
	if h == nil {
		return err
	}
	calm, done, err := open(n, h, "calm", cgroup.Resources{Count: []string{"pressure"}})
	if calm == nil {
		return err
	}
	defer done()
	without, err := waited(calm, false)
	if err != nil {
		return err
	}
	n.OldBefore("a group with two processes that do nothing", narrate.Data{"waited for a CPU, ms in a second": without.Milliseconds()})

	n.Do(narrate.Call{
		Text:   "let two busy loops fight over one CPU, and read how long one of them had to wait",
		Go:     `g.Get("cpu.pressure")`,
		OldSys: fmt.Sprintf(`read("…/cpu.pressure")%s`, map[bool]string{true: " in the v2 tree beside v1"}[h.Hybrid]),
		Man:    "Documentation/accounting/psi.rst",
		Hand:   "cat cpu.pressure",
		At:     (*cgroup.Group).Get,
	})
	g, done, err := open(n, h, "pressure", cgroup.Resources{Count: []string{"pressure"}})
	if g == nil {
		return err
	}
	defer done()
	got, err := waited(g, !n.Without)
	if err != nil {
		return err
	}
	show(n, g, "cpu.pressure")
	n.OldProof("PSI shows that somebody in the group waits for a CPU",
		got > 300*time.Millisecond && got > 2*without, fmt.Sprint(got.Milliseconds(), " ms in a second"), fmt.Sprint(without.Milliseconds(), " ms"))
	n.Note("\"some\": at least one waited; \"full\": all of them did, and no work was done at all. Load average cannot tell the two apart, nor whose wait it was")
	n.Note("a group that is stopped by its CPU quota waits too: look here when a container is slow and its CPU is not busy")
	n.ByHand(
		"cat /proc/pressure/cpu /proc/pressure/memory /proc/pressure/io   # the whole machine",
		"timeout 2 sh -c 'while :; do :; done' & timeout 2 sh -c 'while :; do :; done' & timeout 2 sh -c 'while :; do :; done' & wait",
		"cat /proc/pressure/cpu",
	)
	return nil
}

// waited runs two processes in the group, busy on the same CPU or idle, and returns how long at least one of them
// waited for it, in about a second.
func waited(g *cgroup.Group, busy bool) (time.Duration, error) {
	cpus, err := affinity()
	if err != nil {
		return 0, err
	}
	for range 2 {
		name := resident
		if busy {
			name = busyLoop
		}
		p, err := start(g, name)
		if err != nil {
			return 0, err
		}
		defer p.Close()
		if busy {
			err = errors.Join(p.Send(cpus[len(cpus)-1]), p.Receive(nil))
		} else {
			_, err = ask(p)
		}
		if err != nil {
			return 0, err
		}
	}
	before, err := stalled(g)
	if err != nil {
		return 0, err
	}
	time.Sleep(time.Second)
	after, err := stalled(g)
	return after - before, errors.Join(err, g.Kill())
}

// stalled reads the total of the line "some avg10=… total=MICROSECONDS".
func stalled(g *cgroup.Group) (time.Duration, error) {
	text, err := g.Get("cpu.pressure")
	if err != nil {
		return 0, err
	}
	var us int64
	some := lines(text, "some ")
	if len(some) == 0 {
		return 0, fmt.Errorf("%s says %q", g.File("cpu.pressure"), text)
	}
	_, err = fmt.Sscanf(some[0][strings.LastIndex(some[0], "total="):], "total=%d", &us)
	return time.Duration(us) * time.Microsecond, err
}
