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

// freezeFor is how long the counter must not change.
const freezeFor = 300 * time.Millisecond

func freeze(n *narrate.Narrator) error {
	n.Question("What does docker pause do, and can a program notice?")
	n.Idea("The freezer stops every process of a cgroup at once, and no signal is sent. A program " +
		"counts in memory that it shares with us, about once a millisecond.")
	h, err := find(n)
	if h == nil {
		return err
	}
	g, done, err := open(n, h, "freeze", cgroup.Resources{})
	if g == nil {
		return err
	}
	defer done()

	page, err := newPage()
	if err != nil {
		return err
	}
	defer page.Close()
	p, err := start(g, counter, page)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Receive(nil); err != nil {
		return err
	}
	before := watch(page)
	n.Control("Running: the program counts",
		narrate.Show("ticks in 300 ms", before.ticks), narrate.Show("longest gap", inMS(before.gap)))

	state := func(v1, v2 string) string {
		return writeCall(h.Version, "cgroup.freeze", either(h.Version, v1, v2))
	}
	n.Do(narrate.Call{
		Text:    "Freeze the cgroup",
		Sys:     [][2]string{{state("FROZEN", "1"), ""}},
		Go:      "g.Freeze()",
		Man:     "cgroups(7), " + kernelDocs(h.Version, "freezer-subsystem.rst", "cgroup.freeze"),
		Hand:    either(h.Version, "echo FROZEN > freezer.state", "echo 1 > cgroup.freeze"),
		At:      (*cgroup.Group).Freeze,
		Without: "Leave the cgroup running",
	})
	if !n.Without {
		if err := g.Freeze(); err != nil {
			return err
		}
	}
	frozen := watch(page)
	show(n, g, "cgroup.events")
	status, err := processState(p.Process.Pid)
	if err != nil {
		return err
	}
	n.Proof("A frozen process doesn't run", frozen.ticks == 0,
		narrate.Compare("ticks in 300 ms", frozen.ticks, "running", before.ticks),
		narrate.Show("/proc/PID/status", status))

	n.Do(narrate.Call{
		Text:    "Thaw the cgroup",
		Sys:     [][2]string{{state("THAWED", "0"), ""}},
		Go:      "g.Thaw()",
		Hand:    either(h.Version, "echo THAWED > freezer.state", "echo 0 > cgroup.freeze"),
		At:      (*cgroup.Group).Thaw,
		Without: "Leave the cgroup running",
	})
	if err := g.Thaw(); err != nil {
		return err
	}
	after := watch(page)
	n.Proof("A thawed process goes on", after.ticks > 0 && frozen.ticks == 0,
		narrate.Compare("ticks in 300 ms", after.ticks, "frozen", frozen.ticks))
	n.Proof("A thawed process sees only that the clock has jumped",
		after.gap >= freezeFor && before.gap < after.gap,
		narrate.Compare("longest gap", inMS(after.gap), "running", inMS(before.gap)))
	n.Note("SIGSTOP is visible: the parent is notified, and SIGCONT wakes the process.")
	n.Why("docker pause freezes the container's cgroup, and docker unpause thaws it.")
	freezeByHand(n, h)
	return nil
}

func freezeByHand(n *narrate.Narrator, h *cgroup.Hierarchy) {
	dir := h.Parents["freezer"] + "/" + cgroup.ByHand
	file, ice, warm := "freezer.state", "FROZEN", "THAWED"
	if h.Version == cgroup.V2 {
		dir = h.Root + "/" + cgroup.ByHand
		file, ice, warm = "cgroup.freeze", "1", "0"
	}
	end := "echo " + warm + " > " + dir + "/" + file + "; wait; rmdir " + dir
	byHand(n, h, "docker pause NAME", "", dir, end,
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && exec sleep 1' &",
		"until grep -q . "+dir+"/cgroup.procs; do sleep 0.1; done",
		"echo "+ice+" > "+dir+"/"+file,
		"sleep 1.5; grep State /proc/$(cat "+dir+"/cgroup.procs)/status"+
			"   # sleep 1 should have exited by now",
	)
}

// newPage creates memory to share with a child, so that the counter can be read while the child is
// frozen (memfd_create(2)).
func newPage() (*os.File, error) {
	fd, err := unix.MemfdCreate("containerkit-counter", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	page := os.NewFile(uintptr(fd), "counter")
	return page, page.Truncate(16)
}

// A watching is what the counter did in a while, and the longest gap that the program has seen so
// far.
type watching struct {
	ticks uint64
	gap   time.Duration
}

// watch reads the counter twice, with a pause between.
func watch(page *os.File) watching {
	from, _ := readPage(page)
	time.Sleep(freezeFor)
	to, gap := readPage(page)
	return watching{to - from, gap}
}

func readPage(page *os.File) (ticks uint64, gap time.Duration) {
	var b [16]byte
	if _, err := page.ReadAt(b[:], 0); err != nil {
		return 0, 0
	}
	return binary.NativeEndian.Uint64(b[:8]), time.Duration(binary.NativeEndian.Uint64(b[8:]))
}

func inMS(d time.Duration) string { return fmt.Sprint(d.Milliseconds(), " ms") }

// processState returns the state of a process, as proc_pid_status(5) has it: "S (sleeping)".
func processState(pid int) (string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	return strings.Join(strings.Fields(lines(string(raw), "State:")[0])[1:], " "), nil
}

// counter counts in the memory of file descriptor 3, about once a millisecond, and notes the
// longest gap between two ticks by its own clock, in nanoseconds.
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
