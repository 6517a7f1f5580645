//go:build linux

package main

import (
	"fmt"
	"strings"

	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/narrate"
)

// places are where an intruder would leave something.
var places = []string{"/intruder", "/etc/intruder", "/usr/intruder", "/usr/bin/intruder", "/root/intruder", "/tmp/intruder", "/var/tmp/intruder"}

// spared is what a read-only root leaves writable: it is not the root, but mounted on it.
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

// readonly: a read-only root refuses every write, root's too.
func readonly(n *narrate.Narrator) error {
	n.Question("Root may write everywhere. Also where the file system itself says no?")
	if !can(n, kernelFiles) {
		return nil
	}
	var open []string
	if err := inside(onReadOnly, all, rootfs.Spec{}, &open); err != nil {
		return err
	}
	n.OldBefore("root in a writable root leaves files in these places", narrate.Data{"places": len(places), "written": count(open[:len(places)], "allowed")})
	n.Do(narrate.Call{
		Text:   "build the same root, its programs read-only, and at the end make the root's mount read-only",
		Go:     "rootfs.Spec{ReadOnly: true}.Enter()",
		OldSys: `mount_setattr("/", MOUNT_ATTR_RDONLY)`,
		Man:    "mount_setattr(2)",
		Hand:   "mount -o remount,bind,ro /",
		At:     rootfs.ReadOnlyRoot,
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
			n.OldEvidence("mounted at "+f[4], f[5])
		}
	}
	for i, path := range places {
		n.OldEvidence("root makes "+path, closed[i])
	}
	n.OldProof("every write of root's is refused with EROFS", count(closed[:len(places)], "EROFS") == len(places),
		fmt.Sprintf("%d of %d refused", count(closed[:len(places)], "EROFS"), len(places)), fmt.Sprintf("%d of %d refused", count(open[:len(places)], "EROFS"), len(places)))
	n.OldProof("what is mounted on it, like /dev/shm and volumes, stays as it was", closed[len(places)] == "allowed" && closed[0] == "EROFS",
		spared+": "+closed[len(places)], places[0]+": "+closed[0])
	n.Note("it belongs to the mount, not to the files: root with CAP_SYS_ADMIN could make it writable again, which stage 05 prevents")
	n.ByHand(
		`unshare --user --map-root-user --mount sh -c 'mount -t tmpfs tmpfs /mnt && touch /mnt/before && mount -o remount,bind,ro /mnt && ! touch /mnt/after'`,
	)
	return nil
}

func count(list []string, what string) (k int) {
	for _, l := range list {
		if l == what {
			k++
		}
	}
	return k
}
