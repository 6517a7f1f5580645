//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
)

// What the step tries: a file about the whole machine, and a setting of our own network namespace,
// so that even root of a user namespace can change it, and a change would harm nothing. (The step
// opens it, and doesn't write.)
const (
	machines = "/proc/interrupts"
	setting  = "/proc/sys/net/ipv4/ip_forward"
)

// A view is what a process finds in the directories that the kernel fills.
type view struct {
	Processes []string // the PIDs in /proc
	Devices   []string // the names in /dev
	Disks     int      // block devices among them
	Shared    []string // the names in /dev/shm
	Terminals []string // the names in /dev/pts
	Bytes     int      // in the file about the machine
	Setting   string   // opening the setting for writing: "allowed", or the errno
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
	if raw, err := os.ReadFile(machines); err == nil {
		v.Bytes = len(raw)
	}
	fd, err := unix.Open(setting, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	v.Setting = errno.Outcome(err)
	return v
}

type procAnswer struct{ Bare, Masked view }

var inProc = answering("in-proc", func(mask bool) (a procAnswer, err error) {
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
	if mask {
		err = r.Cover()
	}
	a.Masked = viewNow()
	return a, err
})

// proc shows that a container gets its own /proc, /sys and /dev, and what the runtime masks in
// them.
func proc(n *narrate.Narrator) error {
	n.Question("What can a container learn about the host from /proc, /sys and /dev?")
	n.Idea("These are views of the kernel, not files on a disk. A new mount shows what belongs to " +
		"the container's namespaces. Files about the whole machine stay: the runtime masks them, " +
		"which means that it mounts something harmless on top.")
	if !can(n, kernelFiles) {
		return nil
	}
	host := viewNow()
	n.Control("Host: what its /proc and /dev show",
		narrate.Show("processes in /proc", len(host.Processes)),
		narrate.Show("entries in /dev", len(host.Devices), "including "+quantity(host.Disks, "disk")))
	procCalls(n)
	p, err := start(inProc, all, !n.Without)
	if err != nil {
		return err
	}
	defer p.Close()
	var a procAnswer
	if err := p.Receive(&a); err != nil {
		return err
	}
	var targets []string
	for _, m := range mounts(p.Process.Pid) {
		targets = append(targets, strings.Fields(m)[4])
	}
	n.Detail(narrate.Show("/proc/PID/mountinfo", strings.Join(targets, " ")),
		narrate.Show("/dev", strings.Join(a.Masked.Devices, " ")))
	n.Proof("The container's /proc shows only its own processes",
		len(a.Masked.Processes) == 1 && a.Masked.Processes[0] == "/proc/1",
		narrate.Compare("processes in /proc", len(a.Masked.Processes), "host", len(host.Processes)))
	n.Proof("The container's /dev has none of the host's hardware",
		len(a.Masked.Devices) < len(host.Devices) && a.Masked.Disks == 0,
		narrate.Compare("entries in /dev", len(a.Masked.Devices), "host", len(host.Devices)),
		narrate.Compare("disks", a.Masked.Disks, "host", host.Disks))
	n.Proof("A masked file reads as empty", a.Masked.Bytes == 0,
		narrate.Compare(machines, quantity(a.Masked.Bytes, "byte"),
			"before masking", quantity(a.Bare.Bytes, "byte")))
	n.Note("Interrupt counts reveal when a key is pressed.")
	n.Proof("The container can't change a kernel setting", a.Masked.Setting == "EROFS",
		narrate.Compare("…/ipv4/ip_forward", a.Masked.Setting, "before masking", a.Bare.Setting))
	n.Note("Not even this one, which belongs to its own network namespace.")
	n.Why("docker run masks the same files, and --privileged shows them again.")
	n.WithDocker("docker run --rm alpine wc -c /proc/interrupts",
		`unshare --user --map-root-user --mount --pid --fork --mount-proc sh -c 'ls -d /proc/[0-9]*; mount --bind /dev/null /proc/interrupts; wc -c < /proc/interrupts'`,
	)
	return nil
}

// procCalls says which calls the step makes.
func procCalls(n *narrate.Narrator) {
	n.Do(narrate.Call{
		Text: "Mount new file systems, in new namespaces",
		Sys: [][2]string{{`mount("proc", "proc", "proc", …)`, "its own processes"},
			{`mount("sysfs", "sys", "sysfs", MS_RDONLY|…)`, "its own network devices"},
			{`mount("/dev/null", "dev/null", "", MS_BIND)`, "one of six harmless devices"},
			{`mount("devpts", "dev/pts", "devpts", …)`, "its own terminals"}},
		Go:   "r.Dev(); r.Proc(); r.Sys()",
		Man:  "proc(5), sysfs(5), pts(4)",
		Hand: "mount -t proc proc root/proc",
		At:   (*rootfs.Rootfs).Dev,
	})
	n.Do(narrate.Call{
		Text: "Mask files about the machine, and make settings read-only",
		Sys: [][2]string{{`move_mount("/dev/null", "/proc/interrupts")`, "reads as empty"},
			{`mount_setattr("/proc/sys", MOUNT_ATTR_RDONLY)`, ""}},
		Go:      "rootfs.Cover(null, rootfs.Names(rootfs.Masked), rootfs.Names(rootfs.ReadOnlyPaths))",
		Man:     "move_mount(2), mount_setattr(2)",
		Hand:    "mount --bind /dev/null /proc/kcore; mount --bind -o ro /proc/sys /proc/sys",
		At:      rootfs.Cover,
		Without: "Mask nothing",
	})
}
