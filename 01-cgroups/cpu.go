//go:build linux

package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

const quota = 0.2

// cpu: a quota holds a busy loop, and weights share what is fought over.
func cpu(n *narrate.Narrator) error {
	n.Question("How much of a CPU does a busy loop get, and who decides when two of them fight over one?")
	h, err := find(n)
	if h == nil {
		return err
	}
	free, done, err := open(n, h, "free", cgroup.Resources{Count: []string{"cpu"}})
	if free == nil {
		return err
	}
	defer done()
	without, err := race(time.Second, free)
	if err != nil {
		return err
	}
	n.OldBefore("without a quota a busy loop takes what it can get", narrate.Data{"CPU used, %": without[0].percent})

	limit := cgroup.Resources{CPU: quota, Count: []string{"cpu"}}
	if n.Without {
		limit.CPU = 0
	}
	data := fmt.Sprintf("%.0f 100000", quota*100_000)
	if h.Version == cgroup.V1 {
		data = fmt.Sprintf("%.0f", quota*100_000)
	}
	n.Do(narrate.Call{
		Text:   "make a group for 20 ms of CPU time in every 100 ms",
		Go:     `cgroup.New("cpu", cgroup.Resources{CPU: 0.2})`,
		OldSys: fmt.Sprintf(`write("…/%s", "%s")`, h.Version.Local("cpu.max"), data),
		Man:    "Documentation/admin-guide/cgroup-v2.rst \"CPU\"; Documentation/scheduler/sched-bwc.rst",
		Hand:   fmt.Sprintf("echo %s > %s", data, h.Version.Local("cpu.max")),
		At:     cgroup.New,
	})
	g, done, err := open(n, h, "cpu", limit)
	if g == nil {
		return err
	}
	defer done()
	show(n, g, "cpu.max")
	got, err := race(time.Second, g)
	if err != nil {
		return err
	}
	show(n, g, "cpu.stat")
	n.OldEvidence("CPU time used, as the kernel counted it for the group, % of the time that passed", got[0].percent)
	n.OldEvidence("the same as the busy loop itself sees it (getrusage)", got[0].inside)
	n.OldProof("a quota of 20 % holds a busy loop to about 20 %",
		got[0].percent >= 5 && got[0].percent <= 30 && got[0].percent < without[0].percent, got[0].percent, without[0].percent)
	n.OldProof("the kernel stopped it when the quota of a period had run out, and counted",
		got[0].throttled > 0, fmt.Sprint("throttled: ", got[0].throttled > 0), fmt.Sprint("throttled: ", without[0].throttled > 0))
	n.Note("a quota is not a slower CPU: the loop runs at full speed for 20 ms and then stands still for 80. That is where strange latencies come from")

	if err := weights(n, h); err != nil {
		return err
	}
	dir := h.Parents["cpu"] + "/" + cgroup.ByHand
	stat := dir + "/cpu.stat"
	byHand(n, h, "cpu", dir, "rmdir "+dir,
		"echo "+data+" > "+dir+"/"+h.Version.Local("cpu.max"),
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && exec timeout 1 sh -c \"while :; do :; done\"' || true",
		"cat "+stat)
	return nil
}

// weights lets two groups fight over one CPU.
func weights(n *narrate.Narrator, h *cgroup.Hierarchy) error {
	share := func(light, heavy uint64) (float64, error) {
		a, done, err := open(n, h, "light", cgroup.Resources{CPUWeight: light, Count: []string{"cpu"}})
		if a == nil {
			return 0, err
		}
		defer done()
		b, done, err := open(n, h, "heavy", cgroup.Resources{CPUWeight: heavy, Count: []string{"cpu"}})
		if b == nil {
			return 0, err
		}
		defer done()
		show(n, a, "cpu.weight")
		show(n, b, "cpu.weight")
		// On a busy machine one second may not be fair: whoever else runs on that CPU was in the way. Then again, longer.
		var ratio float64
		for _, d := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			got, err := race(d, a, b)
			if err != nil {
				return 0, err
			}
			ratio = float64(got[1].used) / float64(got[0].used)
			if wanted := float64(heavy) / float64(light); ratio > 0.7*wanted && ratio < 1.4*wanted {
				break
			}
		}
		return ratio, nil
	}
	equal, err := share(100, 100)
	if err != nil {
		return err
	}
	n.OldBefore("two groups of the same weight on the same CPU", narrate.Data{"the second got, times the first": round(equal)})
	heavy := uint64(300)
	if n.Without {
		heavy = 100
	}
	file, data := h.Version.Local("cpu.weight"), map[cgroup.Version]string{1: "3072", 2: "300"}[h.Version]
	n.Do(narrate.Call{
		Text:   "the same again, with weights of 100 and 300",
		Go:     `cgroup.New("heavy", cgroup.Resources{CPUWeight: 300})`,
		OldSys: fmt.Sprintf(`write("…/%s", "%s")`, file, data),
		Man:    "Documentation/admin-guide/cgroup-v2.rst \"CPU\"; v1: Documentation/scheduler/sched-design-CFS.rst",
		Hand:   fmt.Sprintf("echo %s > %s", data, file),
		At:     cgroup.New,
	})
	unequal, err := share(100, heavy)
	if err != nil {
		return err
	}
	about := func(v, from, to float64) bool { return v > from && v < to }
	n.OldProof("weights of 100 and 300 share one CPU about 1 to 3",
		about(unequal, 2, 4.5) && about(equal, 0.6, 1.6), round(unequal), round(equal))
	n.Note("a weight is not a limit: who is alone on a CPU gets all of it, whatever he weighs")
	return nil
}

// A lap is what a busy loop got, in CPU time and in percent of the time that passed.
type lap struct {
	used            time.Duration
	percent, inside float64
	throttled       int64
}

// race runs a busy loop in each of the groups at the same time, and measures for a while. More than one are pinned to the
// same CPU, so that they must share it.
func race(d time.Duration, groups ...*cgroup.Group) ([]lap, error) {
	target := -1
	if len(groups) > 1 {
		cpus, err := affinity()
		if err != nil {
			return nil, err
		}
		target = cpus[len(cpus)-1]
	}
	var loops []*child.Process
	for _, g := range groups {
		p, err := start(g, busyLoop)
		if err != nil {
			return nil, err
		}
		defer p.Close()
		if err := p.Send(target); err != nil {
			return nil, err
		}
		if err := p.Receive(nil); err != nil { // it runs
			return nil, err
		}
		loops = append(loops, p)
	}
	// A group that has just moved to a CPU weighs little there at first: the kernel goes by its load of late.
	time.Sleep(400 * time.Millisecond)
	began := time.Now()
	before := make([]cgroup.Stats, len(groups))
	for i, g := range groups {
		before[i] = g.Stats()
	}
	time.Sleep(d)
	after := make([]cgroup.Stats, len(groups))
	for i, g := range groups {
		after[i] = g.Stats()
	}
	passed := time.Since(began)
	laps := make([]lap, len(groups))
	for i, p := range loops {
		laps[i].used = after[i].CPU - before[i].CPU
		laps[i].percent = round(100 * float64(laps[i].used) / float64(passed))
		laps[i].throttled = after[i].Throttled - before[i].Throttled
		if err := p.Send("stop"); err != nil {
			return nil, err
		}
		if err := p.Receive(&laps[i].inside); err != nil {
			return nil, err
		}
		laps[i].inside = round(laps[i].inside)
	}
	for _, g := range groups {
		if err := g.Kill(); err != nil {
			return nil, err
		}
	}
	return laps, nil
}

func round(f float64) float64 { return float64(int(f*10+0.5)) / 10 }

// busyLoop spins, on the CPU that it is told, until it is told to stop; then it says how much CPU time it had, in
// percent of the time that passed.
var busyLoop = child.Register("busyloop", func(c *child.Conn) error {
	var target int
	if err := c.Receive(&target); err != nil {
		return err
	}
	stop := make(chan struct{})
	go func() {
		_ = c.Receive(nil)
		close(stop)
	}()
	if target >= 0 {
		var set unix.CPUSet
		set.Set(target)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return err
		}
	}
	if err := c.Send(true); err != nil {
		return err
	}
	began, used := time.Now(), cpuTime()
	for {
		for range 1_000_000 {
		}
		select {
		case <-stop:
			return c.Send(100 * float64(cpuTime()-used) / float64(time.Since(began)))
		default:
		}
	}
})

// cpuTime is the CPU time of this process.
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// affinity lists the CPUs on which this thread may run.
func affinity() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var cpus []int
	for i := 0; len(cpus) < set.Count(); i++ {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}
