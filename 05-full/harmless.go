//go:build linux

package main

import (
	"fmt"
	"os"

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
	// Root inside is nobody outside, so permissions alone would protect the marker. They must not be what we measure.
	if err := dir.Share(); err != nil {
		return err
	}
	marker := dir.Join("marker")
	fill := func() error { return os.WriteFile(marker, []byte("precious\n"), 0o666) }
	there := func() string {
		if _, err := os.Stat(marker); err != nil {
			return "gone"
		}
		return "still there"
	}
	lend := func(readOnly bool) func(*container.Config) {
		return func(c *container.Config) {
			c.Root.Volumes = append(c.Root.Volumes[:len(c.Root.Volumes):len(c.Root.Volumes)], rootfs.Volume{Source: dir.Path, Target: "/lent", ReadOnly: readOnly})
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
	n.Before("a directory of the host that was lent writable, after rm -rf /etc /lent /usr/bin and more inside", narrate.Data{"the marker in it": lost})
	if err := fill(); err != nil {
		return err
	}
	before := fingerprint()
	n.Do(narrate.Call{
		Text: "the same, with the directory lent read-only", Go: `rootfs.Volume{Source: dir, Target: "/lent", ReadOnly: true}`,
		Sys: "mount_setattr(fd, \"\", AT_EMPTY_PATH|AT_RECURSIVE, {MOUNT_ATTR_RDONLY})", Man: "mount_setattr(2)",
		Hand: "go run ./05-full -volume DIR:/lent:ro -- rm -rf --no-preserve-root /", At: rootfs.PickUp})
	out, _, err := run(remove, lend(!n.Without))
	if err != nil {
		return err
	}
	n.Evidence("inside: gone", out)
	n.Evidence("outside: entries in /, /etc, /usr and /usr/bin", fingerprint())
	if now := fingerprint(); now != before {
		return fmt.Errorf("the host changed: %s, then %s", before, now)
	}
	n.Proof("what was lent read-only survives", there() == "still there", there(), lost)
	n.ByHand("unshare --user --map-root-user --mount sh -c 'mount -t tmpfs none /mnt; touch /mnt/mine; rm -rf /mnt/*; ls -A /mnt'", "ls /usr/bin | wc -l")
	n.Clean("the container has ended, its layer in memory with it; the lent directory is removed")
	return nil
}

// fingerprint counts what is in the host's directories that an accident would hit.
func fingerprint() (s string) {
	for _, dir := range []string{"/", "/etc", "/usr", "/usr/bin"} {
		entries, _ := os.ReadDir(dir)
		s += fmt.Sprintf("%s %d ", dir, len(entries))
	}
	return s
}
