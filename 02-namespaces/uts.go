//go:build linux

package main

import (
	"fmt"
	"os"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/narrate"
)

var (
	hostname    = can("hostname", func([]string) (any, error) { return os.Hostname() })
	setHostname = can("set hostname", func(a []string) (any, error) { return nil, namespace.SetHostname(a[0]) })
)

func uts(n *narrate.Narrator) error {
	n.Question("If a process changes the hostname, whose hostname changes?")
	// A process with a hostname of its own plays the host, so that the real one is safe whatever happens.
	host, err := newAgent(asNeeded(n, namespace.UTS))
	if err != nil {
		return err
	}
	defer host.close()
	if err := host.ask(nil, setHostname, "the-host"); err != nil {
		return err
	}
	// The control: a process without a namespace of its own changes the name for all.
	careless, err := host.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	if err := careless.ask(nil, setHostname, "changed"); err != nil {
		return err
	}
	var control string
	if err := host.ask(&control, hostname); err != nil {
		return err
	}
	n.OldBefore("a process that shares the host's UTS namespace sets the name, and the host has it", narrate.Data{"host": control})
	if err := host.ask(nil, setHostname, "the-host"); err != nil {
		return err
	}

	n.Do(narrate.Call{Text: "start a process in a UTS namespace of its own, and set the name there",
		Go: "namespace.Spec{New: namespace.UTS}.Apply(cmd)", OldSys: `clone(CLONE_NEWUTS), then inside sethostname("container")`,
		Man: "uts_namespaces(7)", Hand: "unshare --uts sh -c 'hostname container; hostname'", At: namespace.Spec.Apply})
	inside, err := host.agent(only(n.Without, namespace.UTS))
	if err != nil {
		return err
	}
	if err := inside.ask(nil, setHostname, "container"); err != nil {
		return err
	}
	if err := differ(n, "uts", host.PID, inside.PID); err != nil {
		return err
	}
	var in, out string
	if err := inside.ask(&in, hostname); err != nil {
		return err
	}
	if err := host.ask(&out, hostname); err != nil {
		return err
	}
	n.OldEvidence("hostname inside", in)
	n.OldEvidence("hostname of the host", out)
	n.OldProof("the name set inside is inside only", in == "container" && out == "the-host",
		fmt.Sprintf("inside %s, host %s", in, out), fmt.Sprintf("inside %s, host %s", control, control))
	n.ByHand(
		"before=$(uname -n)",
		"unshare --user --map-root-user --uts sh -ec 'hostname container; uname -n'",
		`test "$(uname -n)" = "$before"`,
	)
	return nil
}
