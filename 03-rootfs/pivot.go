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
	TooEarly      string // pivot_root to a directory that is no mount point
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

// pivot: after pivot_root the same escape finds nothing.
func pivot(n *narrate.Narrator) error {
	n.Question("If root walks out of a chroot, what does a container do instead?")
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
	n.OldBefore("after chroot, the escape of the step before finds all of the host again",
		narrate.Data{"read the file outside": old.After == secret, "mounts in sight": len(oldMounts)})
	n.Do(narrate.Call{
		Text:   "swap the roots of the mount namespace, and unmount the old one",
		Go:     fmt.Sprintf("rootfs.Bind(root, root); rootfs.PivotRoot(%q)", dir.Join("root")),
		OldSys: `mount("root", "root", MS_BIND), chdir("root"), pivot_root(".", "."), umount2(".", MNT_DETACH)`,
		Man:    "pivot_root(2), NOTES",
		Hand:   "mount --bind root root; cd root; pivot_root . .; umount -l .",
		At:     rootfs.PivotRoot,
	})
	ask.Chroot = n.Without
	a, table, err := pivotAndLook(own, ask)
	if err != nil {
		return err
	}
	n.OldEvidence("mountinfo of the process after its escape, read from outside", table[0])
	if !n.Without {
		n.OldEvidence("pivot_root before the directory was a mount point", a.TooEarly)
	}
	n.OldProof("the same escape after pivot_root finds nothing", a.After == "ENOENT", a.After, old.After)
	n.OldProof("the old root is gone from the mount table: one mount is left", len(table) == 1,
		fmt.Sprintf("%d", len(table)), fmt.Sprintf("%d", len(oldMounts)))
	n.Note("a new root that is no mount point gets EBUSY if it lies on the same mount as the root, and EINVAL elsewhere: bind it onto itself first")
	n.Note("EINVAL means as well that a mount here is shared (make it private), or that the process is in a chroot already")
	n.Note("the escape still \"works\", but up from the top of this namespace there is only its own root: nothing else is mounted")
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

// pivotAndLook runs the attack and reads, while the attacker lives, its mount table from outside.
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
