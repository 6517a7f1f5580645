//go:build linux

package main

import (
	"crypto/rand"
	"fmt"

	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
)

type pivotAsk struct {
	Root, Marker string
	Chroot       bool // instead of pivot_root
}

type pivotAnswer struct {
	TooEarly      string // pivot_root to a directory that is not a mount point
	Before, After string
}

var pivoting = answering("pivoting", func(q pivotAsk) (a pivotAnswer, err error) {
	if q.Chroot {
		err = rootfs.Chroot(q.Root)
	} else {
		a.TooEarly = errno.Outcome(rootfs.PivotRoot(q.Root))
		if err = rootfs.Bind(q.Root, q.Root); err == nil {
			err = rootfs.PivotRoot(q.Root)
		}
	}
	if err != nil {
		return a, err
	}
	a.Before = look(q.Marker)
	if err := walkOut(); err != nil {
		return a, err
	}
	a.After = look(q.Marker)
	return a, nil
})

// pivot shows that after pivot_root the same escape finds nothing of the host.
func pivot(n *narrate.Narrator) error {
	n.Question("If root can escape from a chroot, what does Docker do instead?")
	n.Idea("pivot_root(2) replaces the root mount of a mount namespace, for every process in it. " +
		"Then the old root can be unmounted. A process can still climb to the top, but nothing of " +
		"the host is mounted there.")
	dir, done, err := place(n)
	if err != nil {
		return err
	}
	defer done()
	secret := rand.Text()
	if err := populate(dir.Path, map[string]string{"secret": secret, "root/": ""}); err != nil {
		return err
	}
	const own = namespace.Mount | namespace.PID
	ask := pivotAsk{dir.Join("root"), dir.Join("secret"), true}
	old, oldMounts, err := pivotAndLook(own, ask)
	if err != nil {
		return err
	}
	n.Control("After chroot: the process has escaped, as in the step before",
		narrate.Show("host's …/secret", readable(old.After, secret)),
		narrate.Show("/proc/PID/mountinfo", quantity(len(oldMounts), "mount")))
	n.Do(narrate.Call{
		Text: "Swap the root mounts, unmount the old root, and try to escape",
		Sys: [][2]string{{`mount("root", "root", MS_BIND)`, "makes the directory a mount point"},
			{`chdir("root")`, ""}, {`pivot_root(".", ".")`, "stacks the old root on the new one"},
			{`umount2(".", MNT_DETACH)`, "unmounts the old root"}},
		Go:      fmt.Sprintf("rootfs.Bind(root, root); rootfs.PivotRoot(%q)", dir.Join("root")),
		Man:     "pivot_root(2)",
		Hand:    "mount --bind root root; cd root; pivot_root . .; umount -l .",
		At:      rootfs.PivotRoot,
		Without: "Change the root with chroot again, and try to escape",
	})
	ask.Chroot = n.Without
	a, table, err := pivotAndLook(own, ask)
	if err != nil {
		return err
	}
	if !n.Without {
		n.Detail(narrate.Show("pivot_root(2)", a.TooEarly, "before the directory was a mount point"))
	}
	n.Detail(narrate.Show("host's …/secret", readable(a.Before, secret), "before the escape"),
		narrate.Show("/proc/PID/mountinfo", table[0]))
	n.Proof("After pivot_root, the same escape finds nothing of the host", a.After == "ENOENT",
		narrate.Compare("host's …/secret", readable(a.After, secret),
			"after chroot", readable(old.After, secret)))
	n.Proof("The old root is no longer mounted in the container", len(table) == 1,
		narrate.Compare("/proc/PID/mountinfo", quantity(len(table), "mount"),
			"after chroot", quantity(len(oldMounts), "mount")))
	n.Note("The process climbs to the top again, but the top is its own root now.")
	n.Why("runc calls pivot_root for every container of docker run.")
	n.ByHand(
		`box=yes unshare --user --map-root-user --mount sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir usr proc old`,
		`mount --rbind /usr usr; mount --rbind /proc proc; ln -s usr/bin usr/sbin usr/lib usr/lib64 .`,
		`pivot_root . old; umount -l /old; /bin/ls /`,
		`END`,
	)
	return nil
}

// pivotAndLook runs the attack, and reads the mount table of the process while it still runs.
func pivotAndLook(new namespace.Set, ask pivotAsk) (a pivotAnswer, table []string, err error) {
	p, err := start(pivoting, new, ask)
	if err != nil {
		return a, nil, err
	}
	defer p.Close()
	if err := p.Receive(&a); err != nil {
		return a, nil, err
	}
	return a, mounts(p.Process.Pid), nil
}
