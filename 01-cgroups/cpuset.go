//go:build linux

package main

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

// cpuset: pinned to one CPU, a process runs nowhere else.
func cpuset(n *narrate.Narrator) error {
	n.Question("Can a program be kept off a CPU, also when it asks for it?")
	h, err := find(n)
	if h == nil {
		return err
	}
	all, err := affinity()
	if err != nil {
		return err
	}
	if len(all) < 2 {
		n.Skip(fmt.Sprintf("only CPU %v may be used here, so there is nothing to choose from; to run it: a machine with two CPUs", all), true)
		return nil
	}
	free, done, err := open(n, h, "free", cgroup.Resources{Count: []string{"cpuset"}})
	if free == nil {
		return err
	}
	defer done()
	without, err := wander(free, all)
	if err != nil {
		return err
	}
	n.OldBefore("without a cpuset a program with several threads is everywhere", narrate.Data{"may run on": without.May, "ran on": without.Ran})

	last := strconv.Itoa(all[len(all)-1])
	limit := cgroup.Resources{CPUs: last, Count: []string{"cpuset"}}
	if n.Without {
		limit.CPUs = ""
	}
	n.Do(narrate.Call{
		Text:   "make a group that may use one CPU only",
		Go:     fmt.Sprintf(`cgroup.New("cpuset", cgroup.Resources{CPUs: %q})`, last),
		OldSys: fmt.Sprintf(`write("…/cpuset.cpus", "%s")`, last),
		Man:    "cpuset(7)",
		Hand:   fmt.Sprintf("echo %s > cpuset.cpus", last),
		At:     cgroup.New,
	})
	g, done, err := open(n, h, "cpuset", limit)
	if g == nil {
		return err
	}
	defer done()
	show(n, g, "cpuset.cpus", "cpuset.cpus.effective")
	got, err := wander(g, all)
	if err != nil {
		return err
	}
	one := fmt.Sprint([]int{all[len(all)-1]})
	n.OldEvidence("sched_getaffinity(2), from inside", got.May)
	n.OldEvidence("where its threads were seen running (getcpu(2))", got.Ran)
	n.OldEvidence("what it may use after it asked for all CPUs (sched_setaffinity(2))", got.Asked)
	n.OldProof("a process in the group may run on one CPU", fmt.Sprint(got.May) == one, got.May, without.May)
	n.OldProof("and ran nowhere else", fmt.Sprint(got.Ran) == one, got.Ran, without.Ran)
	n.OldProof("it cannot ask its way out: sched_setaffinity gives it no CPU that the group does not have",
		fmt.Sprint(got.Asked) == one, got.Asked, without.Asked)
	n.Note("nproc and Go's runtime.NumCPU see a cpuset, since they ask sched_getaffinity. A quota is no set of CPUs: NumCPU does not see it, and GOMAXPROCS only from Go 1.25 on")
	dir := h.Parents["cpuset"] + "/" + cgroup.ByHand
	var commands []string
	if h.Version == cgroup.V1 {
		commands = append(commands, "cat "+h.Parents["cpuset"]+"/cpuset.mems > "+dir+"/cpuset.mems   # v1: empty at first, and then nobody can join")
	}
	byHand(n, h, "cpuset", dir, "rmdir "+dir, append(commands,
		"echo "+last+" > "+dir+"/cpuset.cpus",
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && exec nproc'")...)
	return nil
}

// A walk is where a program with several threads may run, and where it ran.
type walk struct{ May, Ran, Asked []int }

// wander runs the wanderer in the group. CPUs are those that it asks for at the end.
func wander(g *cgroup.Group, cpus []int) (w walk, err error) {
	p, err := start(g, wanderer)
	if err != nil {
		return w, err
	}
	defer p.Close()
	if err := p.Send(cpus); err != nil {
		return w, err
	}
	return w, p.Receive(&w)
}

// wanderer keeps every CPU busy that it can get, notes on which it was, and then asks for those that it is told.
var wanderer = child.Register("wanderer", func(c *child.Conn) error {
	var want []int
	if err := c.Receive(&want); err != nil {
		return err
	}
	var w walk
	var err error
	if w.May, err = affinity(); err != nil {
		return err
	}
	runtime.GOMAXPROCS(len(want) + 1)
	began := time.Now()
	var mu sync.Mutex
	var threads sync.WaitGroup
	everywhere := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(w.Ran) == len(want)
	}
	for range len(want) {
		threads.Go(func() {
			runtime.LockOSThread()
			// A third of a second shows where they run; on a busy machine it may take longer until all were used.
			for time.Since(began) < 300*time.Millisecond || len(w.May) > 1 && !everywhere() && time.Since(began) < 5*time.Second {
				for range 100_000 {
				}
				var cpu uint32
				if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
					return
				}
				mu.Lock()
				if !slices.Contains(w.Ran, int(cpu)) {
					w.Ran = append(w.Ran, int(cpu))
				}
				mu.Unlock()
			}
		})
	}
	threads.Wait()
	slices.Sort(w.Ran)
	var set unix.CPUSet
	for _, cpu := range want {
		set.Set(cpu)
	}
	runtime.LockOSThread()
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return err
	}
	if w.Asked, err = affinity(); err != nil {
		return err
	}
	return c.Send(w)
})
