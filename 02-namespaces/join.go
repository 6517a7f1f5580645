//go:build linux

package main

import (
	"fmt"
	"slices"
	"strconv"

	"containerkit/02-namespaces/namespace"
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
	elsewhere = true
	return nil, namespace.Join(pid, joined)
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
	n.Before("a process is running in namespaces of its own; another one is not in them", narrate.Data{"running": running.PID, "newcomer": newcomer.PID})

	n.Do(narrate.Call{Text: "enter all of them in one call, through a descriptor of the process; then start a child, which is born inside",
		Go: fmt.Sprintf("namespace.Join(%d, …)", running.PID), Sys: "pidfd_open(" + strconv.Itoa(running.PID) + "), unshare(CLONE_FS), setns(pidfd, CLONE_NEWPID|CLONE_NEWNS|…)",
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
	there, err := namespace.Of(running.PID)
	if err != nil {
		return err
	}
	out, err := namespace.Of(host.PID)
	if err != nil {
		return err
	}
	in, err := namespace.Of(born.PID)
	if err != nil {
		return err
	}
	same, control := 0, 0
	for _, t := range namespace.Types() {
		if joined&t.Flag == 0 {
			continue
		}
		n.Evidence(fmt.Sprintf("/proc/%d/ns/%s of the child, /proc/%d/ns/%s of the running process", born.PID, t.Name, running.PID, t.Name),
			namespace.Link(t.Name, in[t.Name])+" "+namespace.Link(t.Name, there[t.Name]))
		if in[t.Name] == there[t.Name] {
			same++
		}
		if out[t.Name] == there[t.Name] {
			control++
		}
	}
	n.Proof("the child has the namespaces of the running process", same == 6, fmt.Sprintf("%d of 6 the same", same), fmt.Sprintf("%d of 6 the same", control))

	if err := born.ask(&after, hostname); err != nil {
		return err
	}
	n.Proof("it has its hostname", after == "running", after, before)
	if err := born.ask(&number, whoAmI); err != nil {
		return err
	}
	if err := running.ask(&seen, ps); err != nil {
		return err
	}
	if err := born.ask(&here, parent); err != nil {
		return err
	}
	n.Evidence("its parent, as it sees it: 0, for somebody who is not in this PID namespace", here)
	n.Proof("the running process sees it in ps, under its inside number", slices.Equal(seen, []int{1, number}),
		fmt.Sprintf("it is %d, ps lists %v", number, seen), apart)
	n.Note("user and time namespaces can be joined only by a process without threads (setns(2): EINVAL, EUSERS); " +
		"nsenter is one, a Go program is not, so a runtime written in Go does it in C, or between fork and exec")
	n.ByHand(
		"box=yes unshare --user --map-root-user --uts --pid --fork --mount-proc sh -e <<'END'",
		`[ "$box" ] || exit   # not on your machine`,
		"hostname running; sleep 30 &",
		`unshare --uts sh -ec "hostname other; nsenter --target $! --uts uname -n"`,
		"END",
	)
	return nil
}
