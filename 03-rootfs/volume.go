//go:build linux

package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
)

type volumeAsk struct {
	Spec  rootfs.Spec
	Note  string // what is written into the writable volume
	Below string // a directory of the host in the volume, on which a file system is mounted before it is lent
	Bound string // where the volume is bound the old way, to compare
}

type volumeAnswer struct {
	Write, WriteRO, WriteBelow string
	OldWay                     string // writing to what is mounted below, with mount -o bind,ro
	Naive, Here                string // where the image's link leads, resolved by us and by the kernel in the root
	Mounted                    bool   // a mount made inside, in the volume, is seen inside
}

var withVolumes = answering("with-volumes", func(q volumeAsk) (a volumeAnswer, err error) {
	if err := rootfs.Memory(q.Below); err != nil {
		return a, err
	}
	// The old way: a bind mount that is then made read-only, itself alone.
	fd, err := rootfs.PickUp(filepath.Dir(q.Below), false)
	if err != nil {
		return a, err
	}
	if err := rootfs.PutDown(fd, q.Bound); err != nil {
		return a, err
	}
	// In a user namespace the flags that the mount came with are locked: who leaves one out asks for more than he has.
	var fs unix.Statfs_t
	if err := unix.Statfs(q.Bound, &fs); err != nil {
		return a, fmt.Errorf("statfs: %w", err)
	}
	keep := uintptr(fs.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if fs.Flags&unix.ST_NOATIME != 0 {
		keep |= unix.MS_NOATIME
	}
	if fs.Flags&unix.ST_NODIRATIME != 0 {
		keep |= unix.MS_NODIRATIME
	}
	if err := unix.Mount("", q.Bound, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|keep, ""); err != nil {
		return a, fmt.Errorf("remount read-only: %w", err)
	}
	a.OldWay = attempt(filepath.Join(q.Bound, filepath.Base(q.Below), "written"))
	// The naive way to find the target: put the strings together, and let links lead where they will.
	if a.Naive, err = filepath.EvalSymlinks(q.Spec.Dir + "/data"); err != nil {
		return a, err
	}
	if err := q.Spec.Enter(); err != nil {
		return a, err
	}
	a.Write = errno.Outcome(os.WriteFile("/writable/note", []byte(q.Note), 0o644))
	a.WriteRO, a.WriteBelow = attempt("/lent/note"), attempt("/lent/"+filepath.Base(q.Below)+"/note")
	for _, line := range mounts("self") {
		if target := strings.Fields(line)[4]; strings.HasSuffix(target, "/trap") {
			a.Here = target
		}
	}
	if err := os.Mkdir("/writable/mounted", 0o755); err != nil {
		return a, err
	}
	if err := rootfs.Memory("/writable/mounted"); err != nil {
		return a, err
	}
	a.Mounted = strings.Contains(strings.Join(mounts("self"), "\n"), "/writable/mounted ")
	return a, nil
})

// volume: a directory of the host is lent, writable or read-only.
func volume(n *narrate.Narrator) error {
	n.Question("How does a container keep something, or read files of the host, without seeing the host?")
	if !can(n, kernelFiles, layers) {
		return nil
	}
	dir, done, err := place(n)
	if err != nil {
		return err
	}
	defer done()
	note := rand.Text()
	if err := populate(dir.Path, map[string]string{
		"keep/": "", "lend/file": "lent", "lend/below/": "", "bound/": "", "outside/": "", "image/bin/": "",
	}); err != nil {
		return err
	}
	// An image that means no good: its /data is a link to a directory of the host.
	if err := os.Symlink(dir.Join("outside"), dir.Join("image", "data")); err != nil {
		return err
	}
	before := list(dir.Join("keep"))
	n.OldBefore("a directory of the host, which is empty", narrate.Data{"names": before})
	volumes := []rootfs.Volume{
		{Source: dir.Join("keep"), Target: "/writable"},
		{Source: dir.Join("lend"), Target: "/lent", ReadOnly: !n.Without},
		{Source: dir.Join("lend"), Target: "/data/trap", ReadOnly: true},
	}
	n.Do(narrate.Call{
		Text:   "pick up the directories as detached mounts, make one read-only all the way down, and attach them inside the new root",
		Go:     "rootfs.PickUp(source, readOnly); rootfs.AttachIn(root, target, tree)",
		OldSys: `open_tree(source, OPEN_TREE_CLONE|AT_RECURSIVE), mount_setattr(AT_RECURSIVE, MOUNT_ATTR_RDONLY), openat2(target, RESOLVE_IN_ROOT), move_mount`,
		Man:    "open_tree(2), mount_setattr(2), openat2(2)",
		Hand:   "mount --rbind -o ro=recursive source root/target",
		At:     rootfs.AttachIn,
	})
	p, err := start(withVolumes, all, volumeAsk{
		Spec: rootfs.Spec{Dir: dir.Join("image"), Volumes: volumes}, Note: note,
		Below: dir.Join("lend", "below"), Bound: dir.Join("bound"),
	})
	if err != nil {
		return err
	}
	defer p.Close()
	var a volumeAnswer
	if err := p.Receive(&a); err != nil {
		return err
	}
	for _, line := range mounts(p.Process.Pid) {
		if f := strings.Fields(line); f[4] == "/writable" || strings.HasPrefix(f[4], "/lent") {
			n.OldEvidence("mounted inside", line)
		}
	}
	n.OldProof("what is written into a writable volume is there on the host", look(dir.Join("keep", "note")) == note,
		look(dir.Join("keep", "note")), fmt.Sprint(before))
	n.OldProof("a read-only volume refuses root's writes", a.WriteRO == "EROFS", a.WriteRO, a.Write+" in the writable one")
	n.OldProof("and so does what is mounted below it, which a plain read-only bind mount leaves writable", a.WriteBelow == "EROFS",
		a.WriteBelow, a.OldWay+" with mount -o bind,ro")
	n.OldProof("an image's link to the host's directory leads to its own root instead", !strings.HasPrefix(a.Naive+"/", dir.Join("image")+"/") && a.Here != "" && len(list(dir.Join("outside"))) == 0,
		"inside, at "+strings.Replace(a.Here, dir.Path, "…", 1), "outside, at "+a.Naive)
	leaked := strings.Contains(strings.Join(mounts("self"), "\n"), dir.Join("keep", "mounted"))
	n.OldProof("a mount made inside, in the volume, does not appear on the host", a.Mounted && !leaked,
		fmt.Sprintf("on the host: %v", leaked), fmt.Sprintf("inside: %v", a.Mounted))
	n.Note("files keep their owners: what root makes in a volume belongs to whoever root inside is outside (see 02-namespaces user)")
	n.ByHand(
		`box=yes unshare --user --map-root-user --mount sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir source target`,
		`mount --bind source target; mount -o remount,bind,ro target`,
		`touch source/written; ls target`,
		`! touch target/refused`,
		`END`,
	)
	return nil
}
