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

func cpu(n *narrate.Narrator) error {
	n.Question("How much CPU does --cpus give a container, and what does --cpu-shares add?")
	n.Idea("A quota is CPU time in each period, and a hard limit. A weight is a share: it " +
		"counts only while cgroups compete for a CPU.")
	h, err := find(n)
	if h == nil {
		return err
	}
	free, done, err := open(n, h, "free", cgroup.Resources{Count: []string{"cpu"}})
	if free == nil {
		return err
	}
	defer done()
	without, err := unhindered(free)
	if err != nil {
		return err
	}
	n.Control("Without a quota: a busy loop", narrate.Show("CPU time", percent(without.percent)))

	limit := cgroup.Resources{CPU: quota, Count: []string{"cpu"}}
	if n.Without {
		limit.CPU = 0
	}
	data := fmt.Sprintf(either(h.Version, "%.0f", "%.0f 100000"), quota*100_000)
	n.Do(narrate.Call{
		Text: "Run the loop in a cgroup for 20 ms of CPU time in every 100 ms",
		Sys: [][2]string{{writeCall(h.Version, "cpu.max", data),
			either(h.Version, "in µs; the period is 100000", "quota and period, in µs")}},
		Go: `cgroup.New("cpu", cgroup.Resources{CPU: 0.2})`,
		Man: "cgroups(7), " + either(h.Version, "Documentation/scheduler/sched-bwc.rst",
			kernelDocs(h.Version, "", "CPU")),
		Hand: fmt.Sprintf("echo %s > %s", data, h.Version.Local("cpu.max")), At: cgroup.New,
		Without: "Run the loop again, without a quota",
	})
	g, done, err := open(n, h, "cpu", limit)
	if g == nil {
		return err
	}
	defer done()
	got, err := race(time.Second, g)
	if err != nil {
		return err
	}
	show(n, g, "cpu.max", "cpu.stat")
	quotaClaims(n, got[0], without)
	if err := weights(n, h); err != nil {
		return err
	}
	n.Why("docker run --cpus is a quota, and --cpu-shares a weight. A service that is slow on an " +
		"idle machine is often throttled.")
	dir := h.Parents["cpu"] + "/" + cgroup.ByHand
	byHand(n, h, "docker run --cpus 0.2 …", "cpu", dir, "rmdir "+dir,
		"echo "+data+" > "+dir+"/"+h.Version.Local("cpu.max"),
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && "+
			"exec timeout 1 sh -c \"while :; do :; done\"' || true",
		"cat "+dir+"/cpu.stat")
	return nil
}

// unhindered runs a busy loop without a quota. On a busy machine it tries again if the loop gets so
// little CPU time that a quota would make no difference.
func unhindered(g *cgroup.Group) (got lap, err error) {
	for range 3 {
		laps, err := race(time.Second, g)
		if err != nil {
			return lap{}, err
		}
		if got = laps[0]; got.percent > 200*quota {
			break
		}
	}
	return got, nil
}

func quotaClaims(n *narrate.Narrator, got, without lap) {
	const control = "without a quota"
	n.Proof("A quota limits the CPU time of a busy loop",
		got.percent <= 30 && got.throttled > 0,
		narrate.Compare("CPU time", percent(got.percent), control, percent(without.percent)),
		narrate.Show("getrusage(2)", percent(got.inside), "as the loop sees it"))
	n.Proof("The kernel throttles the loop when the quota runs out", got.throttled > 0,
		narrate.Compare("nr_throttled", count(got.throttled, "period", "periods"),
			control, count(without.throttled, "period", "periods")))
	n.Note("A quota is not a slower CPU: a process runs at full speed, then waits.")
}

// weights lets two cgroups compete for one CPU.
func weights(n *narrate.Narrator, h *cgroup.Hierarchy) error {
	equal, err := share(n, h, 100, 100)
	if err != nil || equal == 0 {
		return err
	}
	n.Control("With equal weights: two busy loops on the same CPU",
		narrate.Show("CPU time", oneTo(equal)))
	heavy := uint64(300)
	if n.Without {
		heavy = 100
	}
	data := either(h.Version, "3072", "300")
	n.Do(narrate.Call{
		Text: "Run the two loops again, with weights of 100 and 300",
		Sys: [][2]string{{writeCall(h.Version, "cpu.weight", data),
			either(h.Version, "the default is 1024", "the default is 100")}},
		Go: `cgroup.New("heavy", cgroup.Resources{CPUWeight: 300})`,
		Man: either(h.Version, "Documentation/scheduler/sched-design-CFS.rst",
			kernelDocs(h.Version, "", "CPU")),
		Hand: fmt.Sprintf("echo %s > %s", data, h.Version.Local("cpu.weight")), At: cgroup.New,
		Without: "Run the two loops again, with equal weights",
	})
	unequal, err := share(n, h, 100, heavy)
	if err != nil {
		return err
	}
	about := func(v, from, to float64) bool { return v > from && v < to }
	n.Proof("Two cgroups share a CPU in proportion to their weights",
		about(unequal, 2, 4.5) && about(equal, 0.6, 1.6),
		narrate.Compare("CPU time", oneTo(unequal), "equal weights", oneTo(equal)))
	return nil
}

// share runs a busy loop in each of two cgroups, on the same CPU, and returns how much more CPU
// time the second one gets. If the step can't run here, share prints why, and returns 0.
func share(n *narrate.Narrator, h *cgroup.Hierarchy, light, heavy uint64) (ratio float64, _ error) {
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
	// On a busy machine one second may not be enough: other processes run on that CPU too. Then again,
	// longer.
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

func percent(f float64) string { return fmt.Sprint(f, " %") }

func oneTo(ratio float64) string { return fmt.Sprint("1 : ", round(ratio)) }

// A lap is the CPU time of a busy loop, also in percent of the time that passed: percent as the
// kernel counts it for the cgroup, inside as the loop sees it.
type lap struct {
	used            time.Duration
	percent, inside float64
	throttled       int64
}

// race runs a busy loop in each of the cgroups at the same time, and measures for a while. Two or
// more are pinned to the same CPU, so that they must share it.
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
	// A cgroup that has just moved to a CPU weighs little there at first: the kernel goes by its load
	// average.
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

// busyLoop spins, on the CPU whose number it receives, until it receives a stop. Then it reports
// its CPU time, in percent of the time that passed.
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

// cpuTime returns the CPU time of this process (getrusage(2)).
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// affinity returns the CPUs on which this thread can run (sched_getaffinity(2)).
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
