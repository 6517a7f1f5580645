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

// joined are the kinds that the newcomer joins. A Go process has threads, so it can't join User and
// Time.
const joined = namespace.All &^ (namespace.User | namespace.Time)

// The agent is locked to the main thread. The agents that it starts afterward are inside.
var joinThem = can("join", func(a []string) (any, error) { return nil, joinKinds(a[0], joined) })

// A thread of an agent tries to join a user namespace.
var joinUser = can("join user", func(a []string) (any, error) {
	return errno.Outcome(joinKinds(a[0], namespace.User)), nil
})

func joinKinds(pid string, kinds namespace.Set) error {
	number, err := strconv.Atoi(pid)
	if err != nil {
		return err
	}
	p, err := procfs.Open(number)
	if err != nil {
		return err
	}
	defer p.Close()
	return namespace.Join(p, kinds)
}

func join(n *narrate.Narrator) error {
	n.Question("How does docker exec get into a running container?")
	n.Idea("setns(2) moves a process into another one's namespaces. For the PID namespace it moves " +
		"only future children: a process never changes its PID.")
	// Joining needs CAP_SYS_ADMIN over the namespaces. An ordinary user has it in the user namespace
	// that owns them.
	needed := namespace.AsNeeded(joined)
	spec := needed
	spec.New &= namespace.User
	host, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer host.close()
	target, err := startTarget(host)
	if err != nil {
		return err
	}
	newcomer, err := host.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	before, err := compareWith(target, newcomer)
	if err != nil {
		return err
	}
	n.Control("A process that has six new namespaces, and another one that is not in them",
		narrate.Show("common namespaces", before.common))

	n.Do(narrate.Call{
		Text: "Join all six with one call, then start a child",
		Sys: userFirst(needed, joined, [2]string{"pidfd_open(PID)", "names the process"},
			[2]string{"unshare(CLONE_FS)", "needed for the mount namespace"},
			[2]string{"setns(pidfd, CLONE_NEWPID|CLONE_NEWNS|…)", ""}),
		Go:  "namespace.Join(process, …)",
		Man: "setns(2), pidfd_open(2)", Hand: fmt.Sprintf("nsenter --target %d --all sh", target.PID),
		At: namespace.Join, Without: "Start a child without joining anything",
	})
	if !n.Without {
		if err := newcomer.ask(nil, joinThem, strconv.Itoa(target.PID)); err != nil {
			return err
		}
	}
	if err := proveInside(n, target, newcomer, before); err != nil {
		return err
	}
	if err := joinAll(n); err != nil {
		return err
	}
	n.Why("docker exec, kubectl exec and every health check start their processes like this.")
	n.WithDocker("docker exec CONTAINER sh",
		"box=yes unshare --user --map-root-user --uts --pid --fork --mount-proc sh -e <<'END'",
		`[ "$box" ] || exit   # not on your machine`,
		"hostname running; sleep 30 &",
		`unshare --uts sh -ec "hostname other; nsenter --target $! --uts uname -n"`,
		"END",
	)
	return nil
}

// startTarget starts the process whose namespaces are joined, with its own hostname and /proc.
func startTarget(host *agent) (*agent, error) {
	target, err := host.agent(namespace.Spec{New: joined})
	if err != nil {
		return nil, err
	}
	if err := target.ask(nil, setHostname, "running"); err != nil {
		return nil, err
	}
	return target, target.ask(nil, newProc)
}

// togetherness is what a process has in common with the target: how many namespaces, the hostname,
// and whether the target sees it in its /proc.
type togetherness struct {
	common, hostname string
	pid              int   // as the process sees it
	seen             []int // by the target
}

func compareWith(target, a *agent) (t togetherness, err error) {
	there, err := procfs.Of(target.PID)
	if err != nil {
		return t, err
	}
	here, err := procfs.Of(a.PID)
	if err != nil {
		return t, err
	}
	same := 0
	for _, kind := range joined.Types() {
		if here[kind.Name] == there[kind.Name] {
			same++
		}
	}
	t.common = fmt.Sprintf("%d of %d", same, len(joined.Types()))
	if err := a.ask(&t.hostname, hostname); err != nil {
		return t, err
	}
	if err := a.ask(&t.pid, getpid); err != nil {
		return t, err
	}
	err = target.ask(&t.seen, ps)
	return t, err
}

// proveInside proves that a child of newcomer is in the namespaces of the target. before says how
// newcomer was before it joined.
func proveInside(n *narrate.Narrator, target, newcomer *agent, before togetherness) error {
	born, err := newcomer.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	after, err := compareWith(target, born)
	if err != nil {
		return err
	}
	var ppid int
	if err := born.ask(&ppid, parent); err != nil {
		return err
	}
	for _, kind := range joined.Types() {
		in, there, err := nsLinks(kind.Name, target.PID, born.PID)
		if err != nil {
			return err
		}
		n.Detail(narrate.Compare("/proc/PID/ns/"+kind.Name, in, "running process", there))
	}
	n.Proof("The child is in the namespaces of the running process",
		after.common == "6 of 6" && after.hostname == "running",
		narrate.Compare("common namespaces", after.common, "before", before.common),
		narrate.Compare("hostname", after.hostname, "before", before.hostname))
	n.Proof("The running process sees the child in its own /proc",
		slices.Equal(after.seen, []int{1, after.pid}),
		narrate.Compare("PIDs in /proc", list(after.seen), "before", list(before.seen)),
		narrate.Show("in the child", fmt.Sprintf("PID %d, PPID %d", after.pid, ppid), noPID(ppid)))
	return nil
}

// noPID explains a PPid of 0. (pid_namespaces(7))
func noPID(ppid int) string {
	if ppid == 0 {
		return "its parent has no PID inside"
	}
	return ""
}

// joinAll joins a process that has all kinds of namespaces, between fork and exec.
func joinAll(n *narrate.Narrator) error {
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
	threads, err := withThreads(whole)
	if err != nil {
		return err
	}
	n.Do(narrate.Call{
		Text: "Fork, join all kinds of namespaces in the child's only thread, and exec",
		Sys:  [][2]string{{"clone3(), setns(pidfd, CLONE_NEWUSER|…)", ""}, {`execve("/bin/sleep")`, ""}},
		Go:   "namespace.Start(program, namespace.Birth{Join: process, JoinSet: namespace.All})",
		Man:  "setns(2), pidfd_open(2)", Hand: fmt.Sprintf("nsenter --target %d --all sh", whole.PID),
		At: namespace.Start, Without: "Fork, and exec without joining anything",
	})
	birth := namespace.Birth{Join: target, JoinSet: kinds}
	if n.Without {
		birth.Join = nil
	}
	birth.Attr.Pdeathsig = unix.SIGKILL
	sleep := namespace.Program{Path: "/bin/sleep", Args: []string{"sleep", "60"}}
	joiner, err := namespace.Start(sleep, birth)
	if err != nil {
		return err
	}
	defer func() {
		_ = joiner.Signal(unix.SIGKILL)
		_, _ = joiner.Wait()
		_ = joiner.Close()
	}()
	same, control := inCommon(joiner.PID, whole.PID), inCommon(os.Getpid(), whole.PID)
	total := len(kinds.Types())
	n.Proof("A process with one thread can join a user namespace", same == total,
		narrate.Compare("common namespaces", fmt.Sprintf("%d of %d", same, total),
			"without", fmt.Sprintf("%d of %d", control, total)),
		narrate.Show("setns(), threads", threads, "any Go program has threads"))
	return nil
}

// withThreads returns what setns(2) says to a process with threads that joins a user namespace. The
// process is in ours: elsewhere, an ordinary user's would not even be allowed to ask (EPERM).
func withThreads(target *agent) (outcome string, err error) {
	a, err := newAgent(namespace.Spec{})
	if err != nil {
		return "", err
	}
	defer a.close()
	err = a.ask(&outcome, joinUser, strconv.Itoa(target.PID))
	return outcome, err
}

// inCommon counts the kinds of namespaces that a process has in common with target. Of the PID
// namespace, that of its children counts: its own never changes. (pid_namespaces(7))
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
		name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, link))
		if err == nil && name == procfs.Link(kind, inode) {
			count++
		}
	}
	return count
}
