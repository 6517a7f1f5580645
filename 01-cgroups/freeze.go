//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

// freezeFor is how long the counter must stand still.
const freezeFor = 300 * time.Millisecond

// freeze: a frozen process stands still, and goes on as if nothing had happened.
func freeze(n *narrate.Narrator) error {
	n.Question("Can a program be stopped so that it does not notice?")
	h, err := find(n)
	if h == nil {
		return err
	}
	g, done, err := open(n, h, "freeze", cgroup.Resources{})
	if g == nil {
		return err
	}
	defer done()

	// The counter and we share a page of memory: nobody has to run for the value to be read.
	fd, err := unix.MemfdCreate("containerkit-counter", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	page := os.NewFile(uintptr(fd), "counter")
	defer page.Close()
	if err := page.Truncate(16); err != nil {
		return err
	}
	p, err := start(g, counter, page)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Receive(nil); err != nil {
		return err
	}
	ticks := func() (ticks, gap uint64) {
		var b [16]byte
		if _, err := page.ReadAt(b[:], 0); err != nil {
			return 0, 0
		}
		return binary.NativeEndian.Uint64(b[:8]), binary.NativeEndian.Uint64(b[8:])
	}
	moved := func() uint64 {
		from, _ := ticks()
		time.Sleep(freezeFor)
		to, _ := ticks()
		return to - from
	}

	running := moved()
	_, gapBefore := ticks()
	n.OldBefore("a program counts; we read its counter from outside", narrate.Data{"ticks in 300 ms": running, "longest gap it saw, ms": gapBefore / 1e6})
	n.Do(narrate.Call{
		Text:   "freeze the group",
		Go:     "g.Freeze()",
		OldSys: fmt.Sprintf(`write("%s", "%s")`, g.File("cgroup.freeze"), map[cgroup.Version]string{1: "FROZEN", 2: "1"}[h.Version]),
		Man:    "Documentation/admin-guide/cgroup-v2.rst \"cgroup.freeze\"; v1: cgroup-v1/freezer-subsystem.rst",
		Hand:   "echo 1 > cgroup.freeze    (v1: echo FROZEN > freezer.state)",
		At:     (*cgroup.Group).Freeze,
	})
	if !n.Without {
		if err := g.Freeze(); err != nil {
			return err
		}
	}
	frozen := moved()
	show(n, g, "cgroup.events")
	state, err := processState(p.Process.Pid)
	if err != nil {
		return err
	}
	n.OldEvidence(fmt.Sprintf("/proc/%d/status", p.Process.Pid), state)
	n.OldProof("a frozen process stands still", frozen == 0, fmt.Sprint(frozen, " ticks"), fmt.Sprint(running, " ticks"))

	n.Do(narrate.Call{
		Text:   "thaw it",
		Go:     "g.Thaw()",
		OldSys: fmt.Sprintf(`write("%s", "%s")`, g.File("cgroup.freeze"), map[cgroup.Version]string{1: "THAWED", 2: "0"}[h.Version]),
		Man:    "Documentation/admin-guide/cgroup-v2.rst",
		Hand:   "echo 0 > cgroup.freeze    (v1: echo THAWED > freezer.state)",
		At:     (*cgroup.Group).Thaw,
	})
	if err := g.Thaw(); err != nil {
		return err
	}
	again := moved()
	_, gapAfter := ticks()
	n.OldProof("and goes on where it was", again > 0 && frozen == 0, fmt.Sprint(again > 0, ", it counts"), fmt.Sprint(frozen > 0, ", frozen it did not"))
	n.OldProof("inside, nothing happened but that the clock jumped",
		time.Duration(gapAfter) >= freezeFor && gapBefore < gapAfter,
		fmt.Sprint(gapAfter/1e6, " ms between two ticks"), fmt.Sprint(gapBefore/1e6, " ms at most before"))
	n.Note("unlike SIGSTOP it cannot be undone from inside, the parent is not told, and it reaches everybody in the group at once")
	if h.Version == cgroup.V1 {
		n.Note("on v1 a frozen process does not even die of SIGKILL before it is thawed; on v2 it does")
	}
	dir := h.Parents["freezer"] + "/" + cgroup.ByHand
	file, ice, warm := "freezer.state", "FROZEN", "THAWED"
	if h.Version == cgroup.V2 {
		dir, file, ice, warm = h.Root+"/"+cgroup.ByHand, "cgroup.freeze", "1", "0"
	}
	byHand(n, h, "", dir, "echo "+warm+" > "+dir+"/"+file+"; wait; rmdir "+dir,
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && exec sleep 1' &",
		"sleep 0.3; echo "+ice+" > "+dir+"/"+file,
		"sleep 1.5; grep State /proc/$(cat "+dir+"/cgroup.procs)/status   # it should be over, and is not",
	)
	return nil
}

// processState is the State line of proc_pid_status(5).
func processState(pid int) (string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	return strings.Join(strings.Fields(lines(string(raw), "State:")[0]), " "), nil
}

// counter counts in the memory behind its descriptor 3, about once a millisecond, and notes the longest gap between
// two ticks by its own clock, in nanoseconds.
var counter = child.Register("counter", func(c *child.Conn) error {
	mem, err := unix.Mmap(3, 0, 16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	ticks := (*uint64)(unsafe.Pointer(&mem[0]))
	gap := (*uint64)(unsafe.Pointer(&mem[8]))
	go func() {
		for last := time.Now(); ; {
			time.Sleep(time.Millisecond)
			now := time.Now()
			if since := uint64(now.Sub(last)); since > atomic.LoadUint64(gap) {
				atomic.StoreUint64(gap, since)
			}
			last = now
			atomic.AddUint64(ticks, 1)
		}
	}()
	if err := c.Send(true); err != nil {
		return err
	}
	c.Wait()
	return nil
})
