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

func kill(n *narrate.Narrator) error {
	n.Question("How do you stop a container with everything that it has started?")
	n.Idea("A child starts in its parent's cgroup, and stays there when the parent exits or the " +
		"child starts a new session. So a cgroup finds every process.")
	h, err := find(n)
	if h == nil {
		return err
	}
	victims, done, err := open(n, h, "plain", cgroup.Resources{})
	if victims == nil {
		return err
	}
	defer done()
	total, left, err := family(victims, false)
	if err != nil {
		return err
	}
	n.Control("With kill -9 of the first process: its children and grandchildren live on",
		narrate.Show("processes alive", fmt.Sprintf("%d of %d", left, total)))

	g, done, err := open(n, h, "kill", cgroup.Resources{})
	if g == nil {
		return err
	}
	defer done()
	call := narrate.Call{
		Text: "Kill the cgroup, not a process",
		Sys:  [][2]string{{writeCall(h.Version, "cgroup.kill", "1"), "SIGKILL to every process"}},
		Go:   "g.Kill()",
		Man:  "cgroups(7), " + kernelDocs(h.Version, "freezer-subsystem.rst", "cgroup.kill"),
		Hand: "echo 1 > cgroup.kill", At: (*cgroup.Group).Kill,
		Without: "Kill the first process again",
	}
	if h.Version == cgroup.V1 {
		call.Sys = [][2]string{{`write("…/freezer.state", "FROZEN")`, "so that no process can fork"},
			{"kill(PID, SIGKILL)", "each process in cgroup.procs"},
			{`write("…/freezer.state", "THAWED")`, "so that they can exit"}}
		call.Hand = "echo FROZEN > freezer.state; kill -9 $(cat cgroup.procs); " +
			"echo THAWED > freezer.state"
	}
	n.Do(call)
	all, alive, err := family(g, !n.Without)
	if err != nil {
		return err
	}
	show(n, g, "cgroup.procs")
	n.Proof("Killing a cgroup kills grandchildren and daemons too", all >= 7 && alive == 0,
		narrate.Compare("processes alive", fmt.Sprintf("%d of %d", alive, all),
			"kill -9 of the first", fmt.Sprintf("%d of %d", left, total)))
	n.Note("kill -- -PGID would miss them: setsid(2) leaves the process group.")
	n.Why("docker stop must leave no process behind. systemctl stop finds the processes of a " +
		"service by its cgroup.")
	killByHand(n, h)
	return nil
}

func killByHand(n *narrate.Narrator, h *cgroup.Hierarchy) {
	dir := h.Parents["freezer"] + "/" + cgroup.ByHand
	state := dir + "/freezer.state"
	kill := "echo FROZEN > " + state + "; kill -9 $(cat " + dir + "/cgroup.procs); " +
		"echo THAWED > " + state
	end := "echo THAWED > " + state + "; "
	if h.Version == cgroup.V2 {
		dir = h.Root + "/" + cgroup.ByHand
		kill = "echo 1 > " + dir + "/cgroup.kill"
		end = kill + "; "
	}
	byHand(n, h, "docker kill NAME", "", dir, end+removeWhenEmpty(dir),
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && { setsid sleep 60 & setsid sleep 60 & }'",
		"cat "+dir+"/cgroup.procs",
		kill,
		"while grep . "+dir+"/cgroup.procs; do sleep 0.1; done   # until none is left",
	)
}

// family starts a program with children and grandchildren in the cgroup, kills the program, or the
// whole cgroup, and counts the processes before and after.
func family(g *cgroup.Group, whole bool) (total, alive int, err error) {
	p, err := start(g, ancestor)
	if err != nil {
		return 0, 0, err
	}
	defer p.Close()
	if err := p.Receive(nil); err != nil {
		return 0, 0, err
	}
	members, err := g.Procs()
	end := time.Now().Add(5 * time.Second)
	for ; err == nil && len(members) < 7 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		members, err = g.Procs() // not all have started
	}
	if err != nil {
		return 0, 0, err
	}
	if whole {
		err = g.Kill()
	} else {
		err = p.Process.Kill()
	}
	if err != nil {
		return 0, 0, err
	}
	_ = p.Wait()
	left, err := g.Procs()
	return len(members), len(left), err
}

// ancestor has two children and four grandchildren, created by raw forks (see bombCopy). Each child
// starts a new session, as a daemon does (setsid(2)).
var ancestor = child.Register("ancestor", func(c *child.Conn) error {
	for range 2 {
		if rawFork() == 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
			for range 2 {
				if rawFork() == 0 {
					break
				}
			}
			sleepRaw(30 * time.Second)
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	if err := c.Send(true); err != nil {
		return err
	}
	c.Wait()
	return nil
})
