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

// kill: the whole group dies at once, grandchildren too.
func kill(n *narrate.Narrator) error {
	n.Question("How do I end a program together with everything that it has started?")
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
	n.OldBefore("kill -9 of a program ends that program; what it started lives on, without a parent, out of reach",
		narrate.Data{"processes": total, "alive after kill -9 of the first": left})

	g, done, err := open(n, h, "kill", cgroup.Resources{})
	if g == nil {
		return err
	}
	defer done()
	sys := fmt.Sprintf(`write("%s", "1")`, g.File("cgroup.kill"))
	hand := "echo 1 > cgroup.kill"
	if h.Version == cgroup.V1 {
		sys = `write("freezer.state", "FROZEN"); kill(each of cgroup.procs, SIGKILL); write("freezer.state", "THAWED")`
		hand = "echo FROZEN > freezer.state; kill -9 $(cat cgroup.procs); echo THAWED > freezer.state"
	}
	n.Do(narrate.Call{
		Text:   "kill the group, not a process: membership is inherited by fork, and nobody loses it by losing his parent",
		Go:     "g.Kill()",
		OldSys: sys,
		Man:    "Documentation/admin-guide/cgroup-v2.rst \"cgroup.kill\" (Linux 5.14); v1: freeze, kill, thaw",
		Hand:   hand,
		At:     (*cgroup.Group).Kill,
	})
	all, alive, err := family(g, !n.Without)
	if err != nil {
		return err
	}
	show(n, g, "cgroup.procs")
	n.OldProof("the whole group is dead, grandchildren and daemons too",
		all >= 7 && alive == 0, fmt.Sprintf("%d of %d alive", alive, all), fmt.Sprintf("%d of %d alive", left, total))
	n.Note("a process group (kill -- -PGID) is not enough: setsid(2) leaves it, and one of these did")
	dir := h.Parents["freezer"] + "/" + cgroup.ByHand
	state := dir + "/freezer.state"
	kill := "echo FROZEN > " + state + "; kill -9 $(cat " + dir + "/cgroup.procs); echo THAWED > " + state
	end := "echo THAWED > " + state + "; rmdir " + dir
	if h.Version == cgroup.V2 {
		dir = h.Root + "/" + cgroup.ByHand
		kill = "echo 1 > " + dir + "/cgroup.kill"
		end = kill + "; sleep 0.3; rmdir " + dir
	}
	byHand(n, h, "", dir, end,
		"sh -c 'echo $$ > "+dir+"/cgroup.procs && { setsid sleep 60 & setsid sleep 60 & }'",
		"sleep 0.3; cat "+dir+"/cgroup.procs",
		kill,
		"sleep 0.3; cat "+dir+"/cgroup.procs",
	)
	return nil
}

// family starts a program with children and grandchildren in the group, ends it, and counts who is left: with kill -9
// of the first, or of the whole group.
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
	for end := time.Now().Add(5 * time.Second); err == nil && len(members) < 7 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		members, err = g.Procs() // they are still being born
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

// ancestor has two children and four grandchildren, made by bare forks (see bombCopy). All of them start a session of
// their own, as daemons do.
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
