//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
)

// joined is what the newcomer joins. A Go process cannot join User and Time, because it has threads.
const joined = namespace.All &^ (namespace.User | namespace.Time)

// The agent works on the main thread and is locked to it; the agents that it starts from then on are inside.
var joinThem = can("join", func(a []string) (any, error) {
	pid, err := strconv.Atoi(a[0])
	if err != nil {
		return nil, err
	}
	p, err := procfs.Open(pid)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return nil, namespace.Join(p, joined)
})

// A thread of an agent tries to join a user namespace.
var joinUser = can("join user", func(a []string) (any, error) {
	pid, err := strconv.Atoi(a[0])
	if err != nil {
		return nil, err
	}
	p, err := procfs.Open(pid)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return errno.Outcome(namespace.Join(p, namespace.User)), nil
})

func join(n *narrate.Narrator) error {
	n.Question("How does `docker exec` get into a container that is already running?")
	// Joining takes rights over the namespaces: an ordinary user has them in the user namespace that made them.
	spec := asNeeded(n, joined)
	spec.New &= namespace.User
	host, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer host.close()
	running, err := host.agent(namespace.Spec{New: joined})
	if err != nil {
		return err
	}
	if err := running.ask(nil, setHostname, "running"); err != nil {
		return err
	}
	if err := running.ask(nil, newProc); err != nil {
		return err
	}
	newcomer, err := host.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	var before, after string
	if err := newcomer.ask(&before, hostname); err != nil {
		return err
	}
	// The newcomer as it is now: its number, and what the running process sees.
	var number, here int
	var seen []int
	if err := newcomer.ask(&number, whoAmI); err != nil {
		return err
	}
	if err := running.ask(&seen, ps); err != nil {
		return err
	}
	apart := fmt.Sprintf("it is %d, ps lists %v", number, seen)
	n.OldBefore("a process is running in namespaces of its own; another one is not in them", narrate.Data{"running": running.PID, "newcomer": newcomer.PID})

	n.Do(narrate.Call{Text: "enter all of them in one call, through a descriptor of the process; then start a child, which is born inside",
		Go: fmt.Sprintf("namespace.Join(%d, …)", running.PID), OldSys: "pidfd_open(" + strconv.Itoa(running.PID) + "), unshare(CLONE_FS), setns(pidfd, CLONE_NEWPID|CLONE_NEWNS|…)",
		Man: "setns(2), pidfd_open(2)", Hand: fmt.Sprintf("nsenter --target %d --all sh", running.PID), At: namespace.Join})
	if !n.Without {
		if err := newcomer.ask(nil, joinThem, strconv.Itoa(running.PID)); err != nil {
			return err
		}
	}
	born, err := newcomer.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	// A parent in another PID namespace is told its child's number as it sees it, so this is the number out here.
	there, err := procfs.Of(running.PID)
	if err != nil {
		return err
	}
	out, err := procfs.Of(host.PID)
	if err != nil {
		return err
	}
	in, err := procfs.Of(born.PID)
	if err != nil {
		return err
	}
	same, control := 0, 0
	for _, t := range namespace.Types() {
		if joined&t.Flag == 0 {
			continue
		}
		n.OldEvidence(fmt.Sprintf("/proc/%d/ns/%s of the child, /proc/%d/ns/%s of the running process", born.PID, t.Name, running.PID, t.Name),
			procfs.Link(t.Name, in[t.Name])+" "+procfs.Link(t.Name, there[t.Name]))
		if in[t.Name] == there[t.Name] {
			same++
		}
		if out[t.Name] == there[t.Name] {
			control++
		}
	}
	n.OldProof("the child has the namespaces of the running process", same == 6, fmt.Sprintf("%d of 6 the same", same), fmt.Sprintf("%d of 6 the same", control))

	if err := born.ask(&after, hostname); err != nil {
		return err
	}
	n.OldProof("it has its hostname", after == "running", after, before)
	if err := born.ask(&number, whoAmI); err != nil {
		return err
	}
	if err := running.ask(&seen, ps); err != nil {
		return err
	}
	if err := born.ask(&here, parent); err != nil {
		return err
	}
	n.OldEvidence("its parent, as it sees it: 0, for somebody who is not in this PID namespace", here)
	n.OldProof("the running process sees it in ps, under its inside number", slices.Equal(seen, []int{1, number}),
		fmt.Sprintf("it is %d, ps lists %v", number, seen), apart)
	if err := joinAll(n, newcomer); err != nil {
		return err
	}
	n.ByHand(
		"box=yes unshare --user --map-root-user --uts --pid --fork --mount-proc sh -e <<'END'",
		`[ "$box" ] || exit   # not on your machine`,
		"hostname running; sleep 30 &",
		`unshare --uts sh -ec "hostname other; nsenter --target $! --uts uname -n"`,
		"END",
	)
	return nil
}

// joinAll joins a process that has all eight kinds of namespaces, between fork and exec. threads is an
// agent, so a process with threads, and tries what it cannot do.
func joinAll(n *narrate.Narrator, threads *agent) error {
	kinds := namespace.All
	if !namespace.HasTime() {
		kinds &^= namespace.Time
	}
	whole, err := newAgent(namespace.AsNeeded(kinds))
	if err != nil {
		return err
	}
	defer whole.close()
	target, err := procfs.Open(whole.PID)
	if err != nil {
		return err
	}
	defer target.Close()
	var refused string
	if err := threads.ask(&refused, joinUser, strconv.Itoa(whole.PID)); err != nil {
		return err
	}
	n.OldEvidence("setns(pidfd, CLONE_NEWUSER) of a process with threads, as every Go program is one", refused)

	n.Do(narrate.Call{Text: "fork; enter all kinds at once in the child, which has a single thread; then execute a program",
		Go: "namespace.Start(program, namespace.Birth{Join: process, JoinSet: namespace.All})", OldSys: "clone3(), setns(pidfd, CLONE_NEWUSER|CLONE_NEWTIME|…), execve()",
		Man: "setns(2), pidfd_open(2)", Hand: fmt.Sprintf("nsenter --target %d --all sh", whole.PID), At: namespace.Start})
	birth := namespace.Birth{Join: target, JoinSet: kinds}
	if n.Without {
		birth.Join = nil
	}
	birth.Attr.Pdeathsig = unix.SIGKILL
	joiner, err := namespace.Start(namespace.Program{Path: "/bin/sleep", Args: []string{"sleep", "60"}}, birth)
	if err != nil {
		return err
	}
	defer func() {
		_ = joiner.Signal(unix.SIGKILL)
		_, _ = joiner.Wait()
		_ = joiner.Close()
	}()
	same, control := inCommon(joiner.PID, whole.PID), inCommon(os.Getpid(), whole.PID)
	n.OldProof("a process with a single thread joins the user and time namespaces, too", same == len(kinds.Types()),
		fmt.Sprintf("%d of %d the same", same, len(kinds.Types())), fmt.Sprintf("%d of %d the same", control, len(kinds.Types())))
	return nil
}

// inCommon counts the kinds of namespaces that a process has in common with target. For the PID
// namespace, that of its children counts: nobody moves into another one. (pid_namespaces(7))
func inCommon(pid, target int) (count int) {
	theirs, err := procfs.Of(target)
	if err != nil {
		return -1
	}
	for kind, inode := range theirs {
		link := kind
		if kind == "pid" {
			link = "pid_for_children"
		}
		if name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, link)); err == nil && name == procfs.Link(kind, inode) {
			count++
		}
	}
	return count
}
