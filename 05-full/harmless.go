//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/05-full/container"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/scratch"
	"containerkit/lessons/kit/stage"
)

func harmless(n *narrate.Narrator) error {
	n.Question("What if somebody runs rm -rf inside, on everything there is?")
	dir, err := scratch.New()
	if err != nil {
		return err
	}
	defer stage.OnInterrupt(func() { _ = dir.Remove() })()
	defer func() { _ = dir.Remove() }()
	lent, err := lendable(dir)
	if err != nil {
		return err
	}
	defer lent.Close()
	fill := func() error { return mark(lent) }
	there := func() string {
		if unix.Faccessat(int(lent.Fd()), marker, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) != nil {
			return "gone"
		}
		return "still there"
	}
	lend := func(readOnly bool) func(*container.Config) {
		return func(c *container.Config) {
			c.Root.Volumes = append(c.Root.Volumes[:len(c.Root.Volumes):len(c.Root.Volumes)], rootfs.Volume{Source: lent.Name(), Target: "/lent", ReadOnly: readOnly})
		}
	}
	// All of / would do, but takes its time where /usr is large: try it.
	const remove = "rm -rf /etc /home /lent /root /srv /usr/bin /usr/sbin /var 2>/dev/null; for d in /etc/passwd /home /root /srv /usr/bin/env /var; do [ -e $d ] || echo -n \"$d \"; done"

	if err := fill(); err != nil {
		return err
	}
	if _, _, err := run(remove, lend(false)); err != nil {
		return err
	}
	lost := there()
	n.OldBefore("a directory of the host that was lent writable, after rm -rf /etc /lent /usr/bin and more inside", narrate.Data{"the marker in it": lost})
	if err := fill(); err != nil {
		return err
	}
	before := fingerprint()
	n.Do(narrate.Call{
		Text: "the same, with the directory lent read-only", Go: `rootfs.Volume{Source: dir, Target: "/lent", ReadOnly: true}`,
		OldSys: "mount_setattr(fd, \"\", AT_EMPTY_PATH|AT_RECURSIVE, {MOUNT_ATTR_RDONLY})", Man: "mount_setattr(2)",
		Hand: "go run ./05-full -volume DIR:/lent:ro -- rm -rf --no-preserve-root /", At: rootfs.PickUp})
	out, _, err := run(remove, lend(!n.Without))
	if err != nil {
		return err
	}
	n.OldEvidence("inside: gone", out)
	n.OldEvidence("outside: entries in /, /etc, /usr and /usr/bin", fingerprint())
	if now := fingerprint(); now != before {
		return fmt.Errorf("the host changed: %s, then %s", before, now)
	}
	n.OldProof("what was lent read-only survives", there() == "still there", there(), lost)
	n.ByHand("unshare --user --map-root-user --mount sh -ec 'mount -t tmpfs none /mnt; touch /mnt/mine; rm -rf /mnt/*; ls -A /mnt'", "ls /usr/bin | wc -l")
	n.Clean("the container has ended, its layer in memory with it; the lent directory is removed")
	return nil
}

// marker is the file in the lent directory that rm is to remove.
const marker = "marker"

// lendable creates a directory in dir that belongs to root in the container: permission bits alone would protect the marker
// in any other, and they must not be what we measure. It is closed to every other user.
func lendable(dir *scratch.Dir) (*os.File, error) {
	if err := dir.AllowSearch(); err != nil {
		return nil, err
	}
	lent, err := dir.Mkdir("lent", 0o700)
	if err != nil || !namespace.Container().Shifted() {
		return lent, err
	}
	if err := lent.Chown(namespace.FirstID, namespace.FirstID); err != nil {
		lent.Close()
		return nil, err
	}
	return lent, nil
}

// mark puts a new marker into the lent directory. What is done there by name is done in the open directory, and follows no
// link: it is the container's, too.
func mark(lent *os.File) error {
	if err := unix.Unlinkat(int(lent.Fd()), marker, 0); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "remove", Path: marker, Err: err}
	}
	f, err := scratch.CreateIn(lent, marker, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString("precious\n")
	return errors.Join(err, f.Close())
}

// fingerprint counts what is in the host's directories that an accident would hit.
func fingerprint() (s string) {
	for _, dir := range []string{"/", "/etc", "/usr", "/usr/bin"} {
		entries, _ := os.ReadDir(dir)
		s += fmt.Sprintf("%s %d ", dir, len(entries))
	}
	return s
}
