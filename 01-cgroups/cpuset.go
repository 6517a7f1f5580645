//go:build linux

package main

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

func cpuset(n *narrate.Narrator) error {
	n.Question("Can you keep a container off a CPU, even if it asks for that CPU?")
	n.Idea("cpuset.cpus lists the CPUs on which the processes of a cgroup can run. A process " +
		"can choose its CPUs with sched_setaffinity(2), as taskset does.")
	h, err := find(n)
	if h == nil {
		return err
	}
	all, err := affinity()
	if err != nil {
		return err
	}
	if len(all) < 2 {
		n.Skip(fmt.Sprintf("only CPU %d can be used here; to run it: a machine with two CPUs",
			all[0]), true)
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
	n.Control("Without a cpuset: a program with a busy thread for each CPU",
		narrate.Show("allowed CPUs", list(without.May)), narrate.Show("CPUs in use", list(without.Ran)))

	last := strconv.Itoa(all[len(all)-1])
	limit := cgroup.Resources{CPUs: last, Count: []string{"cpuset"}}
	if n.Without {
		limit.CPUs = ""
	}
	n.Do(narrate.Call{
		Text: "Run the program in a cgroup with one CPU",
		Sys:  [][2]string{{writeCall(h.Version, "cpuset.cpus", last), "the last one"}},
		Go:   fmt.Sprintf(`cgroup.New("cpuset", cgroup.Resources{CPUs: %q})`, last),
		Man:  "cpuset(7), sched_setaffinity(2), " + kernelDocs(h.Version, "cpusets.rst", "Cpuset"),
		Hand: fmt.Sprintf("echo %s > cpuset.cpus", last), At: cgroup.New,
		Without: "Run the program again, without a cpuset",
	})
	g, done, err := open(n, h, "cpuset", limit)
	if g == nil {
		return err
	}
	defer done()
	got, err := wander(g, all)
	if err != nil {
		return err
	}
	show(n, g, "cpuset.cpus", "cpuset.cpus.effective")
	cpusetClaims(n, got, without, last)
	n.Why("docker run --cpuset-cpus sets this list, for a container that shares no CPU with others.")
	cpusetByHand(n, h, last)
	return nil
}

func cpusetClaims(n *narrate.Narrator, got, without walk, one string) {
	const control = "without a cpuset"
	n.Proof("A process in the cgroup can run only on the CPU of its cpuset", list(got.May) == one,
		narrate.Compare("allowed CPUs", list(got.May), control, list(without.May)))
	n.Proof("The threads of the process run on no other CPU", list(got.Ran) == one,
		narrate.Compare("CPUs in use", list(got.Ran), control, list(without.Ran)))
	n.Proof("A process can't leave its cpuset with sched_setaffinity", list(got.Asked) == one,
		narrate.Compare("asked for all CPUs", list(got.Asked), control, list(without.Asked)))
	n.Note("nproc and runtime.NumCPU see a cpuset: they call sched_getaffinity(2).")
}

func cpusetByHand(n *narrate.Narrator, h *cgroup.Hierarchy, cpu string) {
	dir := h.Parents["cpuset"] + "/" + cgroup.ByHand
	var commands []string
	if h.Version == cgroup.V1 {
		commands = append(commands, "cat "+h.Parents["cpuset"]+"/cpuset.mems > "+dir+"/cpuset.mems"+
			"   # v1: no process can join an empty cpuset")
	}
	byHand(n, h, "docker run --cpuset-cpus "+cpu+" …", "cpuset", dir, "rmdir "+dir, append(commands,
		"echo "+cpu+" > "+dir+"/cpuset.cpus",
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && exec nproc'")...)
}

// list returns CPUs as the kernel prints them: "0-3,7".
func list(cpus []int) string {
	var ranges []string
	for i := 0; i < len(cpus); {
		first := i
		for i++; i < len(cpus) && cpus[i] == cpus[i-1]+1; i++ {
		}
		text := strconv.Itoa(cpus[first])
		if i-first > 1 {
			text = fmt.Sprint(text, "-", cpus[i-1])
		}
		ranges = append(ranges, text)
	}
	return strings.Join(ranges, ",")
}

// A walk is where a program with several threads can run, where it ran, and where it can run after
// it has asked for all CPUs.
type walk struct{ May, Ran, Asked []int }

// wander runs the wanderer in the cgroup. It asks for these CPUs in the end.
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

// wanderer keeps every CPU busy that it can get, notes them, and then asks for those that it
// receives.
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
			// A third of a second shows where they run. On a busy machine it can take longer until all CPUs
			// were used.
			for time.Since(began) < 300*time.Millisecond ||
				len(w.May) > 1 && !everywhere() && time.Since(began) < 5*time.Second {
				for range 100_000 {
				}
				var cpu uint32
				at := uintptr(unsafe.Pointer(&cpu))
				if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, at, 0, 0); errno != 0 {
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
