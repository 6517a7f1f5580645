//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/scratch"
)

var (
	makePrivate = canDo("make private", namespace.MakePrivate)
	// The tmpfs hides what is really in the directory, in this mount namespace only.
	simulateHost = can("simulate a host", func(a []string) (any, error) {
		if err := namespace.MakePrivate(); err != nil {
			return nil, err
		}
		if err := namespace.MountTmpfs(a[0]); err != nil {
			return nil, err
		}
		return nil, namespace.MakeShared(a[0])
	})
	mountIn = can("mount", func(a []string) (any, error) {
		if err := os.Mkdir(a[0], 0o700); err != nil {
			return nil, err
		}
		return nil, namespace.MountTmpfs(a[0])
	})
)

func mnt(n *narrate.Narrator) error {
	n.Question("Does a mount in a container appear on the host?")
	n.Idea("A new mount namespace starts as a copy of the old one. But the copy of a shared mount " +
		"stays in its peer group: what you mount below one appears below the other. systemd makes " +
		"all mounts shared.")
	tmp, err := scratch.Place() // as mountinfo names it
	if err != nil {
		return err
	}
	spec := namespace.AsNeeded(namespace.Mount)
	host, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer host.close()
	if err := host.ask(nil, simulateHost, tmp); err != nil {
		return err
	}
	leaked, err := sharedMount(n, host, tmp)
	if err != nil {
		return err
	}
	n.Do(narrate.Call{
		Text: "Start a process in a new mount namespace, and make all mounts private first",
		Sys: userFirst(spec, namespace.Mount, [2]string{"clone(CLONE_NEWNS)", ""},
			[2]string{`mount("", "/", MS_REC|MS_PRIVATE)`, "leave all peer groups"},
			[2]string{`mount("tmpfs", "…/private")`, ""}),
		Go:  "namespace.Spec{New: namespace.Mount}.Apply(cmd); inside: namespace.MakePrivate()",
		Man: "mount_namespaces(7)", Hand: "unshare --mount --propagation private sh",
		At: namespace.MakePrivate, Without: "Mount in the host's mount namespace",
	})
	inside, err := host.agent(only(n.Without, namespace.Mount))
	if err != nil {
		return err
	}
	if err := differ(n, "mnt", host.PID, inside.PID); err != nil {
		return err
	}
	return privateMount(n, host, inside, filepath.Join(tmp, "private"), leaked)
}

// sharedMount shows the control: a mount in a new mount namespace whose propagation is shared.
func sharedMount(n *narrate.Narrator, host *agent, tmp string) (seen sight, err error) {
	line, err := mountLine(host.PID, tmp)
	if err != nil {
		return seen, err
	}
	inside, err := host.agent(namespace.Spec{New: namespace.Mount})
	if err != nil {
		return seen, err
	}
	in, out, err := nsLinks("mnt", host.PID, inside.PID)
	if err != nil {
		return seen, err
	}
	dir := filepath.Join(tmp, "shared")
	if err := inside.ask(nil, mountIn, dir); err != nil {
		return seen, err
	}
	if seen, err = where(dir, host.PID, inside.PID); err != nil {
		return seen, err
	}
	n.Control("A mount in a new mount namespace, with shared mounts (the host is simulated)",
		narrate.Compare("/proc/PID/ns/mnt", in, "host", out),
		narrate.Show("propagation", line.Optional, "in /proc/PID/mountinfo"),
		narrate.Show("the mount, inside", seen.inside), narrate.Show("the mount, on host", seen.host))
	return seen, nil
}

// privateMount proves that a mount of a process is in its mount namespace only.
func privateMount(n *narrate.Narrator, host, inside *agent, dir string, leaked sight) error {
	if !n.Without {
		if err := inside.ask(nil, makePrivate); err != nil {
			return err
		}
	}
	if err := inside.ask(nil, mountIn, dir); err != nil {
		return err
	}
	seen, err := where(dir, host.PID, inside.PID)
	if err != nil {
		return err
	}
	real, err := mounted(os.Getpid(), dir)
	if err != nil {
		return err
	}
	n.Proof("A mount with private propagation doesn't appear on the host",
		seen == sight{inside: "mounted", host: "not mounted"},
		narrate.Compare("the mount, on host", seen.host, "shared", leaked.host),
		narrate.Show("the mount, inside", seen.inside),
		narrate.Show("on the real host", real))
	n.Why("docker run --volume mounts with rprivate propagation; with :rshared, mounts in the " +
		"volume reach the host.")
	n.WithDocker("docker run --volume /mnt:/mnt:rprivate …",
		"unshare --user --map-root-user --mount sh -c 'mount -t tmpfs tmpfs /mnt; grep -c \" /mnt \" /proc/self/mountinfo'",
		"! grep ' /mnt .*tmpfs tmpfs' /proc/self/mountinfo",
	)
	n.Clean("the mounts went with their namespaces")
	return nil
}

// mountLine finds a mount in /proc/PID/mountinfo. It returns nil if the mount is not there.
func mountLine(pid int, dir string) (*mountinfo.Info, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := mountinfo.GetMountsFromReader(f, mountinfo.SingleEntryFilter(dir))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[len(found)-1], nil
}

// A sight says whether a mount is in the mount namespaces of two processes.
type sight struct{ inside, host string }

// where looks for a mount in the mount namespaces of a process on the host and one inside.
func where(dir string, host, inside int) (s sight, err error) {
	if s.host, err = mounted(host, dir); err != nil {
		return s, err
	}
	s.inside, err = mounted(inside, dir)
	return s, err
}

func mounted(pid int, dir string) (string, error) {
	line, err := mountLine(pid, dir)
	if line == nil {
		return "not mounted", err
	}
	return "mounted", err
}
