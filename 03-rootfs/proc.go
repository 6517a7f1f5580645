//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
)

// What is tried: a file that speaks of the machine, and a setting that belongs to our own network namespace, so that
// even an ordinary user's root may change it, and changing it would harm nobody. (It is opened, not written.)
const (
	betrays = "/proc/interrupts"
	setting = "/proc/sys/net/ipv4/ip_forward"
)

// A view is what a process finds in the directories that the kernel fills.
type view struct {
	Processes []string // numbers in /proc
	Devices   []string // names in /dev
	Disks     int      // block devices among them
	Shared    []string // /dev/shm
	Terminals []string // /dev/pts
	Betrayed  int      // bytes in the file that betrays
	Setting   string   // opening the setting for writing
}

func viewNow() (v view) {
	v.Processes, _ = filepath.Glob("/proc/[0-9]*")
	v.Devices, v.Shared, v.Terminals = list("/dev"), list("/dev/shm"), list("/dev/pts")
	for _, name := range v.Devices {
		var st unix.Stat_t
		if unix.Stat("/dev/"+name, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK {
			v.Disks++
		}
	}
	if raw, err := os.ReadFile(betrays); err == nil {
		v.Betrayed = len(raw)
	}
	fd, err := unix.Open(setting, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	v.Setting = errno.Outcome(err)
	return v
}

type procAnswer struct{ Host, Bare, Covered view }

var inProc = answering("in-proc", func(cover bool) (a procAnswer, err error) {
	a.Host = viewNow()
	r, err := rootfs.Begin(rootfs.Spec{})
	if err != nil {
		return a, err
	}
	for _, step := range []func() error{r.Base, r.Etc, r.Dev, r.Proc, r.Sys, r.Pivot} {
		if err := step(); err != nil {
			return a, err
		}
	}
	a.Bare = viewNow()
	if cover {
		err = r.Cover()
	}
	a.Covered = viewNow()
	return a, err
})

// proc: /proc, /sys and /dev are made anew, and the dangerous parts are covered.
func proc(n *narrate.Narrator) error {
	n.Question("/proc, /sys and /dev hold no files but the kernel itself. What of them may a container have?")
	if !can(n, kernelFiles) {
		return nil
	}
	n.Do(narrate.Call{
		Text:   "in new namespaces, mount them anew: /proc for our processes, /sys for our network, /dev with a few harmless devices",
		Go:     "r.Dev(); r.Proc(); r.Sys()",
		OldSys: `mount("proc", "proc", "proc", MS_NOSUID|MS_NODEV|MS_NOEXEC) …, mount("devpts", "dev/pts", "devpts", …, "newinstance")`,
		Man:    "proc(5), sysfs(5), Documentation/filesystems/devpts.rst",
		Hand:   "mount -t proc proc root/proc",
		At:     (*rootfs.Rootfs).Dev,
	})
	n.Do(narrate.Call{
		Text:   "then mount something harmless over what no namespace divides, and make switches read-only",
		Go:     "rootfs.Cover(null, rootfs.Names(rootfs.Masked), rootfs.Names(rootfs.ReadOnlyPaths))",
		OldSys: `open_tree("/dev/null", OPEN_TREE_CLONE) before pivot_root; then move_mount("/proc/interrupts"), mount("/proc/interrupts", "/proc/kcore", MS_BIND) …, mount_setattr("/proc/sys", MOUNT_ATTR_RDONLY)`,
		Man:    "open_tree(2), move_mount(2), mount(2), mount_setattr(2)",
		Hand:   "mount --bind /dev/null /proc/kcore; mount --bind -o ro /proc/sys /proc/sys",
		At:     rootfs.Cover,
	})
	p, err := start(inProc, all, !n.Without)
	if err != nil {
		return err
	}
	defer p.Close()
	var a procAnswer
	if err := p.Receive(&a); err != nil {
		return err
	}
	var kernel []string
	for _, m := range mounts(p.Process.Pid) {
		kernel = append(kernel, strings.Fields(m)[4])
	}
	n.OldEvidence("mounts of the process, read from outside", strings.Join(kernel, " "))
	n.OldEvidence("/dev inside", strings.Join(a.Covered.Devices, " "))
	n.OldProof("its /proc shows its own processes only", len(a.Covered.Processes) == 1 && a.Covered.Processes[0] == "/proc/1",
		fmt.Sprintf("%d", len(a.Covered.Processes)), fmt.Sprintf("%d in the host's /proc", len(a.Host.Processes)))
	n.OldProof("its /dev has what programs rely on and no hardware", len(a.Covered.Devices) < len(a.Host.Devices) && a.Covered.Disks == 0,
		fmt.Sprintf("%d names, %d disks", len(a.Covered.Devices), a.Covered.Disks), fmt.Sprintf("%d names, %d disks", len(a.Host.Devices), a.Host.Disks))
	n.OldProof(betrays+", which tells when keys are pressed, reads as empty", a.Covered.Betrayed == 0,
		fmt.Sprintf("%d bytes", a.Covered.Betrayed), fmt.Sprintf("%d bytes before it was covered", a.Bare.Betrayed))
	n.OldProof("no setting of the kernel can be opened for writing, not even one of our own network", a.Covered.Setting == "EROFS",
		a.Covered.Setting, a.Bare.Setting)
	for _, m := range rootfs.Masked[:4] {
		n.Note("covered: %s, %s", m.Name, m.Why)
	}
	n.Note("a cover is a mount: who has CAP_SYS_ADMIN inside can take it off again. Stage 05 takes that capability away")
	n.ByHand(
		`unshare --user --map-root-user --mount --pid --fork --mount-proc sh -c 'ls -d /proc/[0-9]*; mount --bind /dev/null /proc/interrupts; wc -c < /proc/interrupts'`,
	)
	return nil
}
