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
	"containerkit/lessons/kit/scratch"
)

type volumeAsk struct {
	Spec  rootfs.Spec
	Note  string // what the container writes into the writable volume
	Below string // a directory of the read-only volume, on which a file system is mounted first
}

type volumeAnswer struct {
	Write, WriteRO, WriteBelow string
	Here                       string // the mount point of the volume whose target is below a link
	Mounted                    int    // mounts that the container created in a volume, as it sees them
}

var withVolumes = answering("with-volumes", func(q volumeAsk) (a volumeAnswer, err error) {
	if err := rootfs.Memory(q.Below); err != nil {
		return a, err
	}
	if err := q.Spec.Enter(); err != nil {
		return a, err
	}
	a.Write = errno.Outcome(os.WriteFile("/rw/note", []byte(q.Note), 0o644))
	a.WriteRO, a.WriteBelow = attempt("/ro/note"), attempt("/ro/"+filepath.Base(q.Below)+"/note")
	for _, line := range mounts("self") {
		if target := strings.Fields(line)[4]; strings.HasSuffix(target, "/trap") {
			a.Here = target
		}
	}
	if err := os.Mkdir("/rw/mounted", 0o755); err != nil {
		return a, err
	}
	if err := rootfs.Memory("/rw/mounted"); err != nil {
		return a, err
	}
	a.Mounted = countMounts("/rw/mounted")
	return a, nil
})

// countMounts returns how many mounts this process sees at a path.
func countMounts(path string) int {
	return strings.Count(strings.Join(mounts("self"), "\n"), " "+path+" ")
}

type plainAsk struct{ Below, Bound string }

// plainBind bind-mounts a directory as mount(8) does with -o bind,ro, and returns what becomes of a
// write to a file system that is mounted below it.
var plainBind = answering("plain-bind", func(q plainAsk) (wrote string, err error) {
	if err := rootfs.Memory(q.Below); err != nil {
		return "", err
	}
	fd, err := rootfs.PickUp(filepath.Dir(q.Below), false)
	if err != nil {
		return "", err
	}
	if err := rootfs.PutDown(fd, q.Bound); err != nil {
		return "", err
	}
	keep, err := locked(q.Bound)
	if err != nil {
		return "", err
	}
	flags := unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY | keep
	if err := unix.Mount("", q.Bound, "", flags, ""); err != nil {
		return "", fmt.Errorf("remount read-only: %w", err)
	}
	return attempt(filepath.Join(q.Bound, filepath.Base(q.Below), "note")), nil
})

// locked returns the flags of a mount that a remount must repeat: in a user namespace it can't
// clear those that the mount came with (mount_namespaces(7)).
func locked(path string) (flags uintptr, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return 0, fmt.Errorf("statfs: %w", err)
	}
	flags = uintptr(fs.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if fs.Flags&unix.ST_NOATIME != 0 {
		flags |= unix.MS_NOATIME
	}
	if fs.Flags&unix.ST_NODIRATIME != 0 {
		flags |= unix.MS_NODIRATIME
	}
	return flags, nil
}

// volume shows that a container can use directories of the host, writable or read-only.
func volume(n *narrate.Narrator) error {
	n.Question("How does docker run -v share one directory and nothing else?")
	n.Idea("A volume is a bind mount: the same directory at a second place. There are two traps. A " +
		"plain read-only bind mount leaves the mounts below it writable. A symlink in the image " +
		"can lead the mount point out of the root.")
	if !can(n, kernelFiles, layers) {
		return nil
	}
	dir, done, err := place(n)
	if err != nil {
		return err
	}
	defer done()
	if err := populate(dir.Path, map[string]string{
		"keep/": "", "lend/below/": "", "bound/": "", "outside/": "", "image/bin/": "",
	}); err != nil {
		return err
	}
	// A hostile image: its /data is a link to a directory of the host.
	if err := os.Symlink(dir.Join("outside"), dir.Join("image", "data")); err != nil {
		return err
	}
	var plain string
	below := dir.Join("lend", "below")
	old := plainAsk{below, dir.Join("bound")}
	if err := inside(plainBind, all, old, &plain); err != nil {
		return err
	}
	naive, err := filepath.EvalSymlinks(dir.Join("image", "data"))
	if err != nil {
		return err
	}
	n.Control("Plain bind mount, whose target is resolved on the host",
		narrate.Show("write below it", plain), narrate.Show("/data leads to", short(naive, dir)))
	n.Do(narrate.Call{
		Text: "Clone the host's directories, and attach the clones inside the new root",
		Sys: [][2]string{{"open_tree(source, …|AT_RECURSIVE)", "clones the mount, and those below"},
			{"mount_setattr(…, MOUNT_ATTR_RDONLY)", "read-only, recursively"},
			{"openat2(target, RESOLVE_IN_ROOT)", "symlinks stay in the root"},
			{"move_mount(clone, target)", ""}},
		Go:      "rootfs.PickUp(source, readOnly); rootfs.AttachIn(root, target, tree)",
		Man:     "open_tree(2), mount_setattr(2), openat2(2)",
		Hand:    "mount --rbind -o ro=recursive source root/target",
		At:      rootfs.AttachIn,
		Without: "Attach the same directories in the new root, all writable",
	})
	ask := volumeAsk{Note: rand.Text()[:8], Below: below}
	ask.Spec = rootfs.Spec{Dir: dir.Join("image"), Volumes: []rootfs.Volume{
		{Source: dir.Join("keep"), Target: "/rw"},
		{Source: dir.Join("lend"), Target: "/ro", ReadOnly: !n.Without},
		{Source: dir.Join("lend"), Target: "/data/trap", ReadOnly: true},
	}}
	before := look(dir.Join("keep", "note"))
	p, err := start(withVolumes, all, ask)
	if err != nil {
		return err
	}
	defer p.Close()
	var a volumeAnswer
	if err := p.Receive(&a); err != nil {
		return err
	}
	n.Detail(narrate.Show("mount point", short(a.Here, dir), "in the container"))
	for _, line := range mounts(p.Process.Pid) {
		if f := strings.Fields(line); f[4] == "/rw" || strings.HasPrefix(f[4], "/ro") {
			n.Detail(narrate.Show("/proc/PID/mountinfo", line))
		}
	}
	wrote := look(dir.Join("keep", "note"))
	n.Proof("The host sees what the container writes into a volume", wrote == ask.Note,
		narrate.Compare("host's …/keep/note", readable(wrote, ask.Note), "before", before))
	n.Proof("A read-only volume rejects root's writes", a.WriteRO == "EROFS",
		narrate.Compare("/ro/note", a.WriteRO, "/rw/note", a.Write))
	n.Proof("A mount below a read-only volume is read-only too", a.WriteBelow == "EROFS",
		narrate.Compare("/ro/below/note", a.WriteBelow, "plain bind mount", plain))
	trapClaim(n, dir, a.Here, naive)
	leaked := countMounts(dir.Join("keep", "mounted"))
	n.Proof("A mount that the container creates in a volume stays in the container",
		a.Mounted > 0 && leaked == 0,
		narrate.Compare("host's mountinfo", quantity(leaked, "mount"),
			"container's", quantity(a.Mounted, "mount")))
	n.Why("Until Docker 25, docker run -v SOURCE:TARGET:ro left mounts below SOURCE writable.")
	n.WithDocker("docker run --rm -v /srv:/srv:ro alpine touch /srv/note",
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

// trapClaim shows where the volume went whose target is below the image's link. The link's path is
// the same on the host and in the container, so the mount point is below the host's path, but it is
// in the container's root, and the host's directory stays empty.
func trapClaim(n *narrate.Narrator, dir *scratch.Dir, here, naive string) {
	leadsOut := !strings.HasPrefix(naive+"/", dir.Join("image")+"/")
	where := "no mount"
	if here != "" {
		where = "the new root"
	}
	outside := list(dir.Join("outside"))
	n.Proof("A symlink in the image can't lead a volume out of the root",
		leadsOut && here != "" && len(outside) == 0,
		narrate.Compare("/data leads to", where, "on the host", short(naive, dir)),
		narrate.Show("host's …/outside", quantity(len(outside), "file")))
}
