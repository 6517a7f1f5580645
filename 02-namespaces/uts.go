//go:build linux

package main

import (
	"os"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/narrate"
)

var (
	hostname    = can("hostname", func([]string) (any, error) { return os.Hostname() })
	setHostname = can("set hostname", func(a []string) (any, error) {
		return nil, namespace.SetHostname(a[0])
	})
)

func uts(n *narrate.Narrator) error {
	n.Question("Does docker run --hostname rename your machine?")
	n.Idea("sethostname(2) sets the hostname of the caller's UTS namespace: of all processes in it, " +
		"and of no other process. UTS is the name of the structure that uname(2) fills.")
	// A process with its own hostname stands in for the host, so that the real hostname is safe.
	spec := namespace.AsNeeded(namespace.UTS)
	host, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer host.close()
	control, err := renamed(host, namespace.Spec{})
	if err != nil {
		return err
	}
	n.Control("A process in the (simulated) host's UTS namespace sets the hostname",
		narrate.Compare("host's hostname", control.after, "before", control.before))

	n.Do(narrate.Call{
		Text: "Start a process in a new UTS namespace, and set the hostname there",
		Sys: userFirst(spec, namespace.UTS, [2]string{"clone(CLONE_NEWUTS)", ""},
			[2]string{`sethostname("container")`, ""}),
		Go:  "namespace.Spec{New: namespace.UTS}.Apply(cmd)",
		Man: "uts_namespaces(7)", Hand: "unshare --uts sh -c 'hostname container; hostname'",
		At: namespace.Spec.Apply, Without: "Start another process in the host's UTS namespace",
	})
	inside, err := renamed(host, only(n.Without, namespace.UTS))
	if err != nil {
		return err
	}
	if err := differ(n, "uts", host.PID, inside.pid); err != nil {
		return err
	}
	n.Proof("A hostname set inside doesn't change the host's hostname",
		inside.own == "container" && inside.after == inside.before,
		narrate.Compare("host's hostname", inside.after, "without", control.after),
		narrate.Show("hostname inside", inside.own))
	n.Why("docker run --hostname names a container in its own UTS namespace; --uts=host leaves " +
		"it in the host's.")
	n.WithDocker("docker run --rm --hostname container alpine hostname",
		"before=$(uname -n)",
		"unshare --user --map-root-user --uts sh -ec 'hostname container; uname -n'",
		`test "$(uname -n)" = "$before"`,
	)
	return nil
}

// A renaming holds the host's hostname before and after a process set its own.
type renaming struct {
	pid                int
	before, after, own string
}

// renamed starts a process that sets its hostname. The host's hostname is set again before it.
func renamed(host *agent, s namespace.Spec) (r renaming, err error) {
	if err := host.ask(nil, setHostname, "the-host"); err != nil {
		return r, err
	}
	if err := host.ask(&r.before, hostname); err != nil {
		return r, err
	}
	a, err := host.agent(s)
	if err != nil {
		return r, err
	}
	r.pid = a.PID
	if err := a.ask(nil, setHostname, "container"); err != nil {
		return r, err
	}
	if err := a.ask(&r.own, hostname); err != nil {
		return r, err
	}
	err = host.ask(&r.after, hostname)
	return r, err
}
