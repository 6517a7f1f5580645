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
	// finite is a harmless bomb: 1+2+4+…+64 processes.
	finite = 6
)

func pids(n *narrate.Narrator) error {
	n.Question("Can one container fill the machine with processes?")
	n.Idea("pids.max limits the processes and threads in a cgroup. At the limit, fork(2) and " +
		"clone(2) fail with EAGAIN, for root as well.")
	h, err := find(n)
	if h == nil {
		return err
	}
	free, done, err := open(n, h, "free", cgroup.Resources{Count: []string{"pids"}})
	if free == nil {
		return err
	}
	defer done()
	without, allowed, err := explode(free, finite)
	if err != nil {
		return err
	}
	n.Control(fmt.Sprintf("Without a limit: each process forks twice, for %d generations", finite),
		narrate.Show("processes", without.Pids),
		narrate.Show("refused forks", without.PidsRefused))

	limit, generations := cgroup.Resources{Pids: pidsLimit, Count: []string{"pids"}}, forever
	if n.Without {
		limit.Pids, generations = 0, finite // never the endless one without its limit
	}
	n.Do(narrate.Call{
		Text: fmt.Sprintf("Start an endless fork bomb in a cgroup for at most %d processes", pidsLimit),
		Sys: [][2]string{{writeCall(h.Version, "pids.max", fmt.Sprint(pidsLimit)),
			"read back before the bomb starts"}},
		Go:   fmt.Sprintf(`cgroup.New("pids", cgroup.Resources{Pids: %d})`, pidsLimit),
		Man:  "cgroups(7), " + kernelDocs(h.Version, "pids.rst", "PID"),
		Hand: fmt.Sprintf("echo %d > pids.max", pidsLimit), At: cgroup.New,
		Without: "Start the same fork bomb again, without a limit",
		Danger: fmt.Sprintf("A fork bomb starts next. The limit of %d processes is set "+
			"and read back first.", pidsLimit),
	})
	g, done, err := open(n, h, "pids", limit)
	if g == nil {
		return err
	}
	defer done()
	got, errno, err := explode(g, generations)
	if err != nil {
		return err
	}
	show(n, g, "pids.max", "pids.current", "pids.events")
	n.Proof("A fork bomb stops at pids.max", got.Pids == pidsLimit,
		narrate.Compare("…/pids.current", count(got.Pids, "process", "processes"),
			unlimited, count(without.Pids, "process", "processes")))
	n.Proof("The kernel refuses every further fork with EAGAIN",
		got.PidsRefused > 0 && errno == syscall.EAGAIN,
		narrate.Compare("clone(2)", answer(errno), unlimited, answer(allowed)),
		narrate.Compare("…/pids.events", fmt.Sprint("max ", got.PidsRefused),
			unlimited, fmt.Sprint("max ", without.PidsRefused)))
	n.Note("Threads count too: a Go program alone has five to ten.")
	n.Why("docker run --pids-limit sets pids.max. Without it, one container can keep the whole host " +
		"from forking.")
	dir := h.Parents["pids"] + "/" + cgroup.ByHand
	byHand(n, h, "docker run --pids-limit 5 …", "pids", dir, removeWhenEmpty(dir),
		"echo 5 > "+dir+"/pids.max",
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && "+
			"for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait' || true   # cannot fork",
		"cat "+dir+"/pids.events",
	)
	return nil
}

// explode starts a bomb in the cgroup, waits until it grows no more, and kills it. errno is the
// kernel's answer to the first fork that it refused; 0 if it refused none.
func explode(g *cgroup.Group, generations int) (
	stats cgroup.Stats, errno syscall.Errno, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return stats, 0, err
	}
	defer r.Close()
	p, err := start(g, bomb, w)
	_ = w.Close()
	if err != nil {
		return stats, 0, err
	}
	defer p.Close()
	if err := p.Send(generations); err != nil {
		return stats, 0, err
	}
	if err := p.Wait(); err != nil { // the fuse: it exits when the first copy runs
		return stats, 0, fmt.Errorf("start the fork bomb: %w", err)
	}
	last, still := int64(-1), 0
	end := time.Now().Add(10 * time.Second)
	for ; still < 15 && time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		stats = g.Stats()
		if stats.Pids == last && stats.Pids > 1 {
			still++
		} else {
			last, still = stats.Pids, 0
		}
	}
	stats = g.Stats()
	if said := make([]byte, 1); stats.PidsRefused > 0 {
		// The kernel counts first, then the copy reports.
		_ = r.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := r.Read(said); err == nil {
			errno = syscall.Errno(said[0])
		}
	}
	return stats, errno, g.Kill()
}

// bomb starts a copy of itself, which forks on, and exits at once.
var bomb = child.Register("bomb", func(c *child.Conn) error {
	var generations int
	if err := c.Receive(&generations); err != nil {
		return err
	}
	if rawFork() == 0 {
		sleepRaw(100 * time.Millisecond) // until the Go program above has exited, with its threads
		bombCopy(generations)
	}
	return nil
})

// bombCopy starts two more copies, which do the same, and never returns. If a fork is refused it
// tries again for a while, as a bomb does, and then sleeps. After ten seconds it exits in any case.
//
// A Go program has threads, and fork copies only the one that calls it. So the copy can't go on as
// a Go program: it can neither allocate nor switch goroutines, and this function only makes raw
// system calls. It can't check its stack either, as every function does at its start unless it is
// marked nosplit: there the scheduler, which was copied too, can have left a request to be called.
//
//go:nosplit
func bombCopy(generations int) {
	for generation := 0; generation < generations; generation++ {
		copies, isCopy := 0, false
		for tries := 0; copies < 2 && tries < 100 && !isCopy; {
			switch pid := rawFork(); {
			case pid == 0:
				isCopy = true // it goes on to the next generation
			case pid < 0:
				said := [1]byte{byte(-pid)}
				_, _, _ = unix.RawSyscall(unix.SYS_WRITE, 3, uintptr(unsafe.Pointer(&said)), 1)
				sleepRaw(10 * time.Millisecond)
				tries++
			default:
				copies++
			}
		}
		if !isCopy {
			break
		}
	}
	sleepRaw(10 * time.Second)
	_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
}

// rawFork calls clone(2) without flags, which is fork(2), and returns 0 in the copy, or minus an
// errno. The copy sends no signal when it exits: a Go signal handler can't run in such a copy.
//
//go:nosplit
func rawFork() int {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, 0, 0, 0, 0, 0, 0)
	if errno != 0 {
		return -int(errno)
	}
	return int(pid)
}

// sleepRaw calls nanosleep(2).
//
//go:nosplit
func sleepRaw(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}
