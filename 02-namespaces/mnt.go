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
	makePrivate = can("make private", func([]string) (any, error) { return nil, namespace.MakePrivate() })
	// The tmpfs hides what is really in the directory, in this mount namespace only.
	playHost = can("play the host", func(a []string) (any, error) {
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
	n.Question("Does a mount inside show up outside?")
	// A mount namespace plays the host: its /tmp (a tmpfs over the real one) is shared, as systemd shares everything.
	tmp, err := scratch.Place() // as mountinfo names it
	if err != nil {
		return err
	}
	host, err := newAgent(asNeeded(n, namespace.Mount))
	if err != nil {
		return err
	}
	defer host.close()
	if err := host.ask(nil, playHost, tmp); err != nil {
		return err
	}
	line, err := mountLine(host.PID, tmp)
	if err != nil {
		return err
	}
	n.OldBefore("a mount namespace plays the host; its "+tmp+" is shared, as systemd makes all mounts", narrate.Data{"mountinfo": line.Optional})

	n.Do(narrate.Call{Text: "start a process in a mount namespace of its own, and mount something there",
		Go: "namespace.Spec{New: namespace.Mount}.Apply(cmd)", OldSys: `clone(CLONE_NEWNS), then inside mount("tmpfs", …)`,
		Man: "mount_namespaces(7)", Hand: "unshare --mount --propagation unchanged sh", At: namespace.Spec.Apply})
	leaky, err := host.agent(only(n.Without, namespace.Mount))
	if err != nil {
		return err
	}
	if err := differ(n, "mnt", host.PID, leaky.PID); err != nil {
		return err
	}
	leak := filepath.Join(tmp, "leak")
	if err := leaky.ask(nil, mountIn, leak); err != nil {
		return err
	}
	leaked, err := where(leak, host.PID, leaky.PID)
	if err != nil {
		return err
	}
	n.OldEvidence("the new mount, in /proc/PID/mountinfo of both", leaked)
	n.Note("a new mount namespace does not hide mounts while propagation is shared: the copy is a member of the same peer group")

	n.Do(narrate.Call{Text: "once more, but make all mounts private first",
		Go: "namespace.MakePrivate()", OldSys: `mount("", "/", MS_REC|MS_PRIVATE)`,
		Man: "mount_namespaces(7)", Hand: "mount --make-rprivate /", At: namespace.MakePrivate})
	tight, err := host.agent(only(n.Without, namespace.Mount))
	if err != nil {
		return err
	}
	if !n.Without {
		if err := tight.ask(nil, makePrivate); err != nil {
			return err
		}
	}
	room := filepath.Join(tmp, "room")
	if err := tight.ask(nil, mountIn, room); err != nil {
		return err
	}
	seen, err := where(room, host.PID, tight.PID)
	if err != nil {
		return err
	}
	n.OldProof("with private propagation a mount inside is not seen outside", seen == "outside no, inside yes", seen, leaked)
	real, err := mountLine(os.Getpid(), room)
	if err != nil {
		return err
	}
	n.OldEvidence("the same mount on the real host", yes(real != nil))
	n.ByHand(
		"unshare --user --map-root-user --mount sh -c 'mount -t tmpfs tmpfs /mnt; grep -c \" /mnt \" /proc/self/mountinfo'",
		"! grep ' /mnt .*tmpfs tmpfs' /proc/self/mountinfo",
	)
	n.Clean("the mounts ended with their namespaces")
	return nil
}

// mountLine finds a mount in the mountinfo of a process, read from outside; nil: it is not there.
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

func where(dir string, outside, inside int) (string, error) {
	out, err := mountLine(outside, dir)
	if err != nil {
		return "", err
	}
	in, err := mountLine(inside, dir)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("outside %s, inside %s", yes(out != nil), yes(in != nil)), nil
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
