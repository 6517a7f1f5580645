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

func pressure(n *narrate.Narrator) error {
	n.Question("How do you see that a container waits, and for what?")
	n.Idea("Pressure stall information (PSI) adds up the time that processes wait for CPU, memory " +
		"or I/O: \"some\" if at least one of them waits, \"full\" if all do.")
	if _, err := os.ReadFile("/proc/pressure/cpu"); err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP) {
			n.Skip(fmt.Sprintf("the kernel does not measure pressure (%v); to run it: boot with psi=1",
				err), true)
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
	n.Control("Two idle processes in a cgroup", narrate.Show("waiting for a CPU", inASecond(without)))

	n.Do(narrate.Call{
		Text: "Run two busy loops in a cgroup, on the same CPU",
		Sys: [][2]string{{"sched_setaffinity(…)", "each loop chooses the same CPU"},
			{`read("…/cpu.pressure")`, "before and after a second"}},
		Go:   `g.Get("cpu.pressure")`,
		Man:  "Documentation/accounting/psi.rst, sched_setaffinity(2)",
		Hand: "cat cpu.pressure", At: (*cgroup.Group).Get,
		Without: "Run two idle processes in a cgroup again",
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
	n.Proof("PSI shows that a process in the cgroup waits for a CPU",
		got > 300*time.Millisecond && got > 2*without,
		narrate.Compare("cpu.pressure, some", inASecond(got), "idle", inASecond(without)))
	n.Note("The load average can't say which resource is short, or in which cgroup.")
	n.Why("A container that --cpus throttles is slow while its CPU is idle. Its cpu.pressure shows " +
		"the wait.")
	n.ByHand(
		"cat /proc/pressure/cpu /proc/pressure/memory /proc/pressure/io   # the whole machine",
		strings.Repeat("timeout 2 sh -c 'while :; do :; done' & ", 3)+"wait",
		"cat /proc/pressure/cpu",
	)
	return nil
}

func inASecond(d time.Duration) string { return inMS(d) + " in 1 s" }

// waited runs two processes in the cgroup, busy on the same CPU or idle, and returns how long at
// least one of them waits for a CPU, in about a second.
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

// stalled returns the total of the line "some avg10=… total=MICROSECONDS".
func stalled(g *cgroup.Group) (time.Duration, error) {
	text, err := g.Get("cpu.pressure")
	if err != nil {
		return 0, err
	}
	var us int64
	some := lines(text, "some ")
	if len(some) == 0 {
		return 0, fmt.Errorf("%s: no line \"some\": %q", g.File("cpu.pressure"), text)
	}
	_, err = fmt.Sscanf(some[0][strings.LastIndex(some[0], "total="):], "total=%d", &us)
	return time.Duration(us) * time.Microsecond, err
}
