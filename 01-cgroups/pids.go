//go:build linux

package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

const (
	pidsLimit = 20
	// forever is more generations than any machine has room for: 2^40 processes.
	forever = 40
	// finite is a bomb that harms nobody: 1+2+4+…+64 processes.
	finite = 6
)

// pids: a fork bomb stops at the limit.
func pids(n *narrate.Narrator) error {
	n.Question("Can one program fill the machine with processes?")
	h, err := find(n)
	if h == nil {
		return err
	}
	free, done, err := open(n, h, "free", cgroup.Resources{Count: []string{"pids"}})
	if free == nil {
		return err
	}
	defer done()
	without, _, err := explode(free, finite)
	if err != nil {
		return err
	}
	n.OldBefore("every process starts two copies of itself; without a limit nothing stops them but the number of generations that we gave them",
		narrate.Data{"generations": finite, "processes": without.Pids, "refused": without.PidsRefused})

	limit, generations := cgroup.Resources{Pids: pidsLimit, Count: []string{"pids"}}, forever
	if n.Without {
		limit.Pids, generations = 0, finite // never the endless one without its limit
	}
	n.Do(narrate.Call{
		Text:   fmt.Sprintf("make a group for at most %d processes, and read the limit back before anything starts in it", pidsLimit),
		Go:     fmt.Sprintf(`cgroup.New("pids", cgroup.Resources{Pids: %d})`, pidsLimit),
		OldSys: fmt.Sprintf(`write("…/pids.max", "%d")`, pidsLimit),
		Man:    "cgroups(7), Documentation/admin-guide/cgroup-v2.rst \"PID\"",
		Hand:   fmt.Sprintf("echo %d > pids.max", pidsLimit),
		At:     cgroup.New,
	})
	g, done, err := open(n, h, "pids", limit)
	if g == nil {
		return err
	}
	defer done()
	show(n, g, "pids.max")
	got, errno, err := explode(g, generations)
	if err != nil {
		return err
	}
	show(n, g, "pids.current", "pids.events")
	n.OldEvidence("what clone(2) said inside the bomb", errno)
	n.OldProof(fmt.Sprintf("a fork bomb without end stops at %d processes", pidsLimit),
		got.Pids == pidsLimit, got.Pids, without.Pids)
	n.OldProof("the kernel refuses every further fork with EAGAIN, and counts the refusals",
		got.PidsRefused > 0 && errno == syscall.EAGAIN.Error(),
		fmt.Sprintf("%v refused: %s", got.PidsRefused > 0, errno), fmt.Sprintf("%v refused", without.PidsRefused > 0))
	n.Note("threads count as well: a Go program is five to ten \"processes\" to pids.max")
	n.Note("the limit holds forks, not joins: who writes himself to cgroup.procs is let in, even above the limit")
	dir := g.Hierarchy().Parents["pids"] + "/" + cgroup.ByHand
	byHand(n, h, "pids", dir, "sleep 1.5; rmdir "+dir,
		"echo 5 > "+dir+"/pids.max",
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait' || true   # cannot fork",
		"cat "+dir+"/pids.events",
	)
	return nil
}

// byHand shows commands for a cgroup that a reader makes by hand in dir, and that end removes, however the shell exits. On v2
// the reader must first hand the controller down, if the place where the group is made does not do so already, and take it
// back in the end.
func byHand(n *narrate.Narrator, h *cgroup.Hierarchy, controller, dir, end string, commands ...string) {
	script := []string{"sh -e <<'END'"}
	if h.Version == cgroup.V2 && controller != "" && !h.HandsDown(controller) {
		file := " > " + h.Root + "/cgroup.subtree_control"
		script = append(script, "echo +"+controller+file)
		end += "; echo -" + controller + file
	}
	script = append(script, "mkdir "+dir, "trap '"+end+"' EXIT")
	n.ByHand(append(append(script, commands...), "END")...)
}

// explode sets off a bomb in the group, waits until it grows no more, and defuses it. errno is what the first refused
// fork was told.
func explode(g *cgroup.Group, generations int) (stats cgroup.Stats, errno string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return stats, "", err
	}
	defer r.Close()
	p, err := start(g, bomb, w)
	_ = w.Close()
	if err != nil {
		return stats, "", err
	}
	defer p.Close()
	if err := p.Send(generations); err != nil {
		return stats, "", err
	}
	if err := p.Wait(); err != nil { // the fuse: it ends when the first copy runs
		return stats, "", fmt.Errorf("the bomb did not go off: %w", err)
	}
	last, still := int64(-1), 0
	for end := time.Now().Add(10 * time.Second); still < 15 && time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		stats = g.Stats()
		if stats.Pids == last && stats.Pids > 1 {
			still++
		} else {
			last, still = stats.Pids, 0
		}
	}
	stats = g.Stats()
	if said := make([]byte, 1); stats.PidsRefused > 0 {
		_ = r.SetReadDeadline(time.Now().Add(5 * time.Second)) // the kernel counts first, and the copy tells then
		if _, err := r.Read(said); err == nil {
			errno = syscall.Errno(said[0]).Error()
		}
	}
	return stats, errno, g.Kill()
}

// bomb goes off in a copy of the program. It ends at once; what it started stays.
var bomb = child.Register("bomb", func(c *child.Conn) error {
	var generations int
	if err := c.Receive(&generations); err != nil {
		return err
	}
	if rawFork() == 0 {
		sleepRaw(100 * time.Millisecond) // until the Go program above, with its threads, is out of the count
		bombCopy(generations)
	}
	return nil
})

// bombCopy is the life of one copy: it starts two more, which do the same. It never returns. If a fork is refused it
// tries again for a while, as a bomb does, and then sleeps: after ten seconds nothing is left in any case.
//
// A Go program has threads, and fork copies only the one that calls it, so that the copy cannot go on as a Go program:
// it may neither allocate nor switch goroutines. It may make bare system calls, and that is all that this does.
// It may not even ask whether its stack is large enough, as every function does when it begins, unless it is marked
// nosplit: at that place the scheduler, which was copied as well, may have left the wish to be called.
//
//go:nosplit
func bombCopy(generations int) {
	for generation := 0; generation < generations; generation++ {
		copies, born := 0, false
		for tries := 0; copies < 2 && tries < 100 && !born; {
			switch pid := rawFork(); {
			case pid == 0:
				born = true // a copy: on to the next generation
			case pid < 0:
				said := [1]byte{byte(-pid)}
				_, _, _ = unix.RawSyscall(unix.SYS_WRITE, 3, uintptr(unsafe.Pointer(&said)), 1)
				sleepRaw(10 * time.Millisecond)
				tries++
			default:
				copies++
			}
		}
		if !born {
			break
		}
	}
	sleepRaw(10 * time.Second)
	_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
}

// rawFork is fork(2): clone(2) with no flags at all. The copy sends no signal when it ends, since a Go signal handler
// cannot run in such a copy. It returns 0 in the copy and minus an errno on failure.
//
//go:nosplit
func rawFork() int {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, 0, 0, 0, 0, 0, 0)
	if errno != 0 {
		return -int(errno)
	}
	return int(pid)
}

//go:nosplit
func sleepRaw(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}
