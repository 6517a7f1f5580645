//go:build linux

package main

import (
	"slices"
	"strings"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/03-rootfs/rootfs"
	"containerkit/05-full/container"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

func assemble(n *narrate.Narrator) error {
	n.Question("What is a container, and in which order is it built?")
	n.Idea("The kernel has no container object: a container is a restricted process.")
	plain, err := child.Command(viewer)
	if err != nil {
		return err
	}
	if err := plain.Start(); err != nil {
		return err
	}
	defer plain.Close()
	var before view
	if err := plain.Receive(&before); err != nil {
		return err
	}
	n.Control("An ordinary child process shares the host's namespaces, root and cgroup")
	n.Detail(narrate.Show("CapEff", before.Caps), narrate.Show("hostname", before.Hostname))
	outside, err := procfs.Open(plain.Process.Pid)
	if err != nil {
		return err
	}
	defer outside.Close()
	if _, err := options.limits(); err != nil {
		n.Skip("no limits: "+err.Error(), false)
	}
	n.Do(narrate.Call{
		Text:    "Build a container: each part, its calls, and what the host sees then",
		Man:     "namespaces(7), cgroups(7), pivot_root(2), capabilities(7)",
		Go:      "container.Start(container.Config{Trace: …})",
		At:      container.Start,
		Without: "Build no container: look at the ordinary child process again",
	})
	ordinary := measured{outside, before, nil}
	if n.Without {
		return separated(n, ordinary, ordinary)
	}
	return assembled(n, ordinary)
}

// assembled builds the container, shows each part, and compares the command with an ordinary process.
func assembled(n *narrate.Narrator, ordinary measured) error {
	look := &look{n: n}
	ct, conn, end, err := launch(viewer, func(c *container.Config) error {
		c.Trace = look.at
		if c.Hostname == ordinary.Hostname {
			c.Hostname = "inner" // or its own hostname would look like the host's
		}
		c.Root.Volumes = append(slices.Clone(c.Root.Volumes), example)
		return plugIn(c, func(why string) { n.Skip(why, false) })
	})
	look.print() // also if a part failed: those before it are done
	if err != nil {
		return err
	}
	defer end()
	var after view
	if err := conn.Receive(&after); err != nil {
		return err
	}
	command, err := commandOf(ct)
	if err != nil {
		return err
	}
	defer command.Close()
	if err := separated(n, measured{command, after, ct.Group}, ordinary); err != nil {
		return err
	}
	if err := ct.Kill(); err != nil {
		return err
	}
	gone := waitGone(command)
	n.Proof("When PID 1 exits, the kernel kills every process in the container", gone,
		narrate.Compare("the command", present(!gone),
			"ordinary child", present(alive(ordinary.Process))))
	n.Why("runc makes the same calls for docker run, in a similar order.")
	n.WithDocker("docker run --hostname container alpine ps",
		"unshare --user --map-root-user --pid --fork --mount-proc --uts --ipc --net sh -ec 'hostname container; hostname; ps ax'")
	end()
	n.Clean("The container has exited. Its namespaces, mounts, network and cgroup are gone.")
	return nil
}

// example is the volume of the container, so that every part changes something.
var example = rootfs.Volume{Source: "/usr/share", Target: "/mnt", ReadOnly: true}

// A measured process is one of those that the step compares.
type measured struct {
	*procfs.Process
	view
	group *cgroup.Group
}

// separated claims that the command has its own part of what the ordinary process shares.
func separated(n *narrate.Narrator, command, ordinary measured) error {
	all := len(namespace.Types())
	if !namespace.HasTime() {
		all--
		n.Skip("this kernel has no time namespaces", false)
	}
	got, was := command.facts(), ordinary.facts()
	ok := got.namespaces == all && got.pids == was.pids+1 && got.hostname != was.hostname &&
		got.roots == 0 && got.address != "none" && got.address != was.address
	compare := func(label string, value, control any) narrate.Row {
		return narrate.Compare(label, value, "ordinary child", control)
	}
	rows := []narrate.Row{
		compare("new namespaces", got.namespaces, was.namespaces),
		compare("hostname", got.hostname, was.hostname),
		compare("host's / mounted", times(got.roots), times(was.roots)),
		compare("IP address", got.address, was.address),
	}
	claim := "The command has its own namespaces, hostname, root and network"
	if command.group != nil || n.Without {
		claim = "The command has its own namespaces, hostname, root, network, cgroup"
		ok = ok && got.cgroup != was.cgroup
		rows = append(rows, compare("/proc/PID/cgroup", got.cgroup, was.cgroup))
	}
	if n.Verbose || n.JSON {
		rows = append(rows, compare("PIDs (NSpid)", got.pids, was.pids))
	}
	n.Proof(claim, ok, rows...)
	return nil
}

// facts are what the kernel says of a process.
type facts struct {
	namespaces, pids, roots   int
	hostname, address, cgroup string
}

func (m measured) facts() facts {
	return facts{
		namespaces: namespacesNotOurs(m.PID), pids: len(strings.Fields(status(m.PID, "NSpid"))),
		roots: hostRoots(m.PID), hostname: m.Hostname, address: address(m.Process), cgroup: cgroupOf(m.PID),
	}
}
