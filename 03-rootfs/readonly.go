//go:build linux

package main

import (
	"fmt"
	"strings"

	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/narrate"
)

// places are files that an intruder would create.
var places = []string{"/intruder", "/etc/intruder", "/usr/intruder", "/usr/bin/intruder",
	"/root/intruder", "/tmp/intruder", "/var/tmp/intruder"}

// spared is a file that a read-only root leaves writable: it is in another mount, on top of the
// root.
const spared = "/dev/shm/scratch"

var onReadOnly = answering("on-read-only", func(spec rootfs.Spec) (answers []string, err error) {
	if err := spec.Enter(); err != nil {
		return nil, err
	}
	for _, path := range append(places[:len(places):len(places)], spared) {
		answers = append(answers, attempt(path))
	}
	return answers, nil
})

// readonly shows that a read-only root rejects every write, even root's.
func readonly(n *narrate.Narrator) error {
	n.Question("Can root write to a container that runs with --read-only?")
	n.Idea("Root bypasses file permissions. A read-only mount has no permissions to bypass: the " +
		"kernel rejects every write with EROFS. Other mounts on top of it, such as /dev/shm and " +
		"volumes, have their own flags.")
	if !can(n, kernelFiles) {
		return nil
	}
	var open []string
	if err := inside(onReadOnly, all, rootfs.Spec{}, &open); err != nil {
		return err
	}
	created := func(answers []string) string {
		return fmt.Sprintf("%d of %d", count(answers[:len(places)], "allowed"), len(places))
	}
	n.Control("Writable root: root creates files in it", narrate.Show("files created", created(open)))
	n.Do(narrate.Call{
		Text:    "Build the same root, and make its mount read-only",
		Sys:     [][2]string{{`mount_setattr("/", MOUNT_ATTR_RDONLY)`, "this mount only, not recursive"}},
		Go:      "rootfs.Spec{ReadOnly: true}.Enter()",
		Man:     "mount_setattr(2)",
		Hand:    "mount -o remount,bind,ro /",
		At:      rootfs.ReadOnlyRoot,
		Without: "Build the same root, and leave it writable",
	})
	p, err := start(onReadOnly, all, rootfs.Spec{ReadOnly: !n.Without})
	if err != nil {
		return err
	}
	defer p.Close()
	var closed []string
	if err := p.Receive(&closed); err != nil {
		return err
	}
	for _, line := range mounts(p.Process.Pid) {
		if f := strings.Fields(line); f[4] == "/" || f[4] == "/usr" {
			n.Detail(narrate.Show("mount options of "+f[4], f[5]))
		}
	}
	for i, path := range places {
		n.Detail(narrate.Show(path, closed[i]))
	}
	n.Proof("A read-only root rejects every write of root with EROFS",
		count(closed[:len(places)], "EROFS") == len(places),
		narrate.Compare("files created", created(closed), "writable root", created(open)),
		narrate.Compare(places[0], closed[0], "writable root", open[0]))
	n.Note("Root can clear the flag again, until stage 05 drops CAP_SYS_ADMIN.")
	n.Proof("A mount on top of the root stays writable",
		closed[len(places)] == "allowed" && closed[0] == "EROFS",
		narrate.Compare(spared, closed[len(places)], places[0], closed[0]))
	n.Why("docker run --read-only sets this flag; --tmpfs adds a writable mount on top.")
	n.WithDocker("docker run --rm --read-only alpine touch /intruder",
		`unshare --user --map-root-user --mount sh -c 'mount -t tmpfs tmpfs /mnt && touch /mnt/before && mount -o remount,bind,ro /mnt && ! touch /mnt/after'`,
	)
	return nil
}

// count returns how often a word is in a list.
func count(list []string, what string) (k int) {
	for _, l := range list {
		if l == what {
			k++
		}
	}
	return k
}
