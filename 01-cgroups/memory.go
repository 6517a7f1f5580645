//go:build linux

package main

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

const (
	mib         = 1 << 20
	memoryLimit = 64 * mib
	memoryEaten = 128 * mib
)

func memory(n *narrate.Narrator) error {
	n.Question("What happens to a container that uses more memory than its limit?")
	n.Idea("A page of memory counts when it is first touched, not when it is mapped. At the limit " +
		"the kernel reclaims pages. If it can't, the OOM killer kills a process in the cgroup.")
	h, err := find(n)
	if h == nil {
		return err
	}
	free, done, err := open(n, h, "free", cgroup.Resources{Count: []string{"memory"}})
	if free == nil {
		return err
	}
	defer done()
	without, err := feast(free)
	if err != nil {
		return err
	}
	n.Control(fmt.Sprintf("Without a limit: a program maps 1 GiB, then touches %d MiB of it",
		memoryEaten/mib),
		narrate.Show("used after mmap(2)", inMiB(without.mapped)),
		narrate.Show("program", without.state))

	limit := cgroup.Resources{Memory: memoryLimit, Count: []string{"memory"}}
	if n.Without {
		limit.Memory = 0
	}
	n.Do(narrate.Call{
		Text: fmt.Sprintf("Run the program in a cgroup for at most %d MiB of memory, and no swap",
			memoryLimit/mib),
		Sys:     [][2]string{{writeCall(h.Version, "memory.max", fmt.Sprint(memoryLimit)), "in bytes"}},
		Go:      fmt.Sprintf(`cgroup.New("memory", cgroup.Resources{Memory: %d << 20})`, memoryLimit/mib),
		Man:     "cgroups(7), " + kernelDocs(h.Version, "memory.rst", "Memory"),
		Hand:    fmt.Sprintf("echo %dM > %s", memoryLimit/mib, h.Version.Local("memory.max")),
		At:      cgroup.New,
		Without: "Run the program again, without a limit",
	})
	g, done, err := open(n, h, "memory", limit)
	if g == nil {
		return err
	}
	defer done()
	got, err := feast(g)
	if err != nil {
		return err
	}
	show(n, g, "memory.max", "memory.events", "memory.peak")
	memoryClaims(n, got, without)
	n.Why("docker run --memory sets this limit. A container that exceeds it exits with status 137: " +
		"128 + 9 (SIGKILL).")
	return memoryByHand(n, g)
}

func memoryClaims(n *narrate.Narrator, got, without meal) {
	n.Proof("The kernel kills a process that exceeds the memory limit",
		got.state == killed && got.touched <= memoryLimit/mib,
		narrate.Compare("program", got.state, unlimited, without.state),
		narrate.Compare("touched memory", fmt.Sprint(got.touched, " MiB"),
			unlimited, fmt.Sprint(without.touched, " MiB")))
	n.Proof("The kernel counts the OOM kill", got.OOMKills == 1,
		narrate.Compare("oom_kill", count(got.OOMKills, "kill", "kills"),
			unlimited, count(without.OOMKills, "kill", "kills")))
	n.Proof("The OOM killer spares the neighbor in the same cgroup",
		got.neighbor == running && got.state == killed,
		narrate.Compare("neighbor", got.neighbor, "program", got.state))
	if got.MemoryPeak > 0 && without.MemoryPeak > 0 { // memory.peak came with Linux 5.19
		// The process that is killed can take a few more pages, so that it can exit.
		n.Proof("The memory usage of the cgroup stops at the limit", got.MemoryPeak <= memoryLimit+mib,
			narrate.Compare("peak usage", inMiB(got.MemoryPeak), unlimited, inMiB(without.MemoryPeak)))
	}
	n.Note("In the container, free and /proc/meminfo still show the whole machine.")
}

func memoryByHand(n *narrate.Narrator, g *cgroup.Group) error {
	h := g.Hierarchy()
	dir := h.Parents["memory"] + "/" + cgroup.ByHand
	commands := []string{fmt.Sprintf("echo 64M > %s/%s", dir, h.Version.Local("memory.max"))}
	// Without a limit on swap the kernel would swap, and kill nothing.
	if _, err := g.Get("memory.swap.max"); err == nil {
		commands = append(commands, fmt.Sprintf("echo %s > %s/%s",
			either(h.Version, "64M", "0"), dir, h.Version.Local("memory.swap.max")))
	}
	byHand(n, h, "docker run --memory 64m …", "memory", dir, "rmdir "+dir, append(commands,
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && "+
			"head -c 268435456 /dev/zero | tail -n 1 > /dev/null' || echo \"status $?: 128 + 9 (SIGKILL)\"",
		fmt.Sprintf("cat %s/%s", dir, h.Version.Local("memory.events")))...)
	return nil
}

func inMiB(bytes int64) string { return fmt.Sprint(bytes/mib, " MiB") }

// The states of a process of the step.
const (
	running = "still running"
	killed  = "killed (SIGKILL)"
)

// A meal is the result of an eater and its neighbor in one cgroup.
type meal struct {
	cgroup.Stats
	mapped   int64  // bytes that the cgroup used after the eater had mapped 1 GiB
	touched  int    // MiB
	state    string // of the eater
	neighbor string // its state
}

// feast lets an eater touch its memory in a cgroup in which a neighbor lives.
func feast(g *cgroup.Group) (m meal, err error) {
	neighbor, err := start(g, resident)
	if err != nil {
		return m, err
	}
	defer neighbor.Close()
	e, err := start(g, eater)
	if err != nil {
		return m, err
	}
	defer e.Close()
	if err := e.Receive(nil); err != nil { // it has mapped, and touched nothing
		return m, err
	}
	m.mapped = g.Stats().Memory
	if err := e.Send(memoryEaten / mib); err != nil {
		return m, err
	}
	for e.Receive(&m.touched) == nil && m.touched < memoryEaten/mib {
	}
	m.state = running
	if m.touched < memoryEaten/mib {
		m.state = howExited(e)
	}
	m.neighbor = running
	if _, err := ask(neighbor); err != nil {
		m.neighbor = howExited(neighbor)
	}
	m.Stats = g.Stats()
	return m, g.Kill()
}

// howExited waits for a process and returns its state.
func howExited(p *child.Process) string {
	_ = p.Wait()
	ws, ok := p.ProcessState.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL {
		return killed
	}
	return p.ProcessState.String()
}

// eater maps 1 GiB, touches as many MiB of it as it receives, and reports each.
var eater = child.Register("eater", func(c *child.Conn) error {
	mem, err := unix.Mmap(-1, 0, 1<<30, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	if err := c.Send(0); err != nil {
		return err
	}
	var amount int
	if err := c.Receive(&amount); err != nil {
		return err
	}
	for i := range amount {
		for at := 0; at < mib; at += os.Getpagesize() {
			mem[i*mib+at] = 1 // the first touch is what costs a page
		}
		if err := c.Send(i + 1); err != nil {
			return err
		}
	}
	c.Wait()
	return nil
})
