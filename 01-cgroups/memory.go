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

// memory: who touches more than the limit is killed, and nobody else.
func memory(n *narrate.Narrator) error {
	n.Question("What happens to a program that takes more memory than it may?")
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
	n.OldBefore(fmt.Sprintf("without a limit a program maps 1 GiB, which costs nothing, touches %d MiB of it page by page, and lives", memoryEaten/mib),
		narrate.Data{"touched MiB": without.touched, "used after mapping, MiB": without.mapped / mib, "peak MiB": without.MemoryPeak / mib})
	n.Note("memory is what was touched, not what was asked for: mapping 1 GiB used %d MiB", without.mapped/mib)

	limit := cgroup.Resources{Memory: memoryLimit, Count: []string{"memory"}}
	if n.Without {
		limit.Memory = 0
	}
	n.Do(narrate.Call{
		Text:   fmt.Sprintf("make a group for at most %d MiB, and no swap: the kernel counts every page that it is the first to touch", memoryLimit/mib),
		Go:     fmt.Sprintf(`cgroup.New("memory", cgroup.Resources{Memory: %d << 20})`, memoryLimit/mib),
		OldSys: fmt.Sprintf(`write("…/%s", "%d")`, h.Version.Local("memory.max"), memoryLimit),
		Man:    "Documentation/admin-guide/cgroup-v2.rst \"Memory\"; v1: cgroup-v1/memory.rst",
		Hand:   fmt.Sprintf("echo %dM > %s", memoryLimit/mib, h.Version.Local("memory.max")),
		At:     cgroup.New,
	})
	g, done, err := open(n, h, "memory", limit)
	if g == nil {
		return err
	}
	defer done()
	show(n, g, "memory.max")
	got, err := feast(g)
	if err != nil {
		return err
	}
	show(n, g, "memory.events", "memory.peak")
	n.OldEvidence("how the eater ended, from outside", got.ended)
	n.OldEvidence("the last it said from inside, MiB touched", got.touched)
	n.OldProof(fmt.Sprintf("who touches more than %d MiB is killed", memoryLimit/mib),
		got.ended == "killed" && got.touched <= memoryLimit/mib, got.ended, without.ended)
	n.OldProof("the kernel counted the kill", got.OOMKills == 1, got.OOMKills, without.OOMKills)
	n.OldProof("and nobody else: the neighbour in the same group still answers; the control is the eater",
		got.neighbour && got.ended == "killed", "neighbour alive", "eater "+got.ended)
	if got.MemoryPeak > 0 && without.MemoryPeak > 0 { // memory.peak came with Linux 5.19
		// The dying process may take a few more pages, to be able to die.
		n.OldProof("the group never had more than its limit, give or take a few pages", got.MemoryPeak <= memoryLimit+mib,
			fmt.Sprint(got.MemoryPeak/mib, " MiB at most"), fmt.Sprint(without.MemoryPeak/mib, " MiB at most"))
	}
	n.Note("a limit is not a size that programs see: free and /proc/meminfo still show the whole machine inside")
	n.Note("dd if=/dev/zero of=/dev/null does not use memory: it fills the same buffer over and over")
	dir := h.Parents["memory"] + "/" + cgroup.ByHand
	commands := []string{fmt.Sprintf("echo 64M > %s/%s", dir, h.Version.Local("memory.max"))}
	if _, err := g.Get("memory.swap.max"); err == nil { // without it a machine that swaps would swap, and kill nobody
		none := map[cgroup.Version]string{1: "64M", 2: "0"}[h.Version]
		commands = append(commands, fmt.Sprintf("echo %s > %s/%s", none, dir, h.Version.Local("memory.swap.max")))
	}
	byHand(n, h, "memory", dir, "rmdir "+dir, append(commands,
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && head -c 268435456 /dev/zero | tail -n 1 > /dev/null' || echo \"status $?: 128 + 9, killed\"",
		fmt.Sprintf("cat %s/%s", dir, h.Version.Local("memory.events")))...)
	return nil
}

// A meal is what came of an eater and its neighbour in one group.
type meal struct {
	cgroup.Stats
	mapped    int64  // bytes that the group had after the eater mapped 1 GiB
	touched   int    // MiB
	ended     string // "killed" by the kernel, or "done"
	neighbour bool   // still answers
}

// feast lets an eater touch its memory in a group in which a neighbour lives.
func feast(g *cgroup.Group) (m meal, err error) {
	neighbour, err := start(g, resident)
	if err != nil {
		return m, err
	}
	defer neighbour.Close()
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
	if m.touched == memoryEaten/mib {
		m.ended = "done"
	} else {
		_ = e.Wait()
		if ws, ok := e.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL {
			m.ended = "killed"
		} else {
			m.ended = e.ProcessState.String()
		}
	}
	_, err = ask(neighbour)
	m.neighbour = err == nil
	m.Stats = g.Stats()
	return m, g.Kill()
}

// eater maps 1 GiB and touches as many MiB of it as it is told, saying so after each.
var eater = child.Register("eater", func(c *child.Conn) error {
	mem, err := unix.Mmap(-1, 0, 1<<30, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
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
