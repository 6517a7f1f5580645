//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/initproc"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/03-rootfs/rootfs"
	"containerkit/04-network/network"
	"containerkit/04-network/network/lo"
	"containerkit/05-full/container"
	"containerkit/lessons/kit/leak"
	"containerkit/lessons/kit/narrate"
)

// A part is one part of the assembly, as the step shows it.
type part struct {
	label string
	sys   string // the calls that count
	call  narrate.Call
	read  func(*look, *procfs.Process) string // what has changed, read from outside
}

// parts has every part of the container. The container itself says when one is done: it waits until
// we have looked.
var parts = map[container.Part]part{
	container.Born: {"namespaces", "clone3, unshare", narrate.Call{
		Text: "Start PID 1 in its cgroup and in new namespaces",
		Sys: [][2]string{{"clone3(CLONE_NEWUSER|CLONE_NEWPID|…)", "six namespaces"},
			{`execveat(fd, "", …, AT_EMPTY_PATH)`, "our own program again"},
			{"unshare(CLONE_NEWCGROUP)", "with its cgroup as the root"},
			{"unshare(CLONE_NEWTIME)", "for its children"}},
		Go: "namespace.Container().Start(program, birth)", Man: "namespaces(7), clone(2)",
		Hand: "unshare --user --map-root-user --pid --fork --mount --uts --ipc --net --cgroup --time sh",
		At:   namespace.Spec.Start,
	}, (*look).namespaces},
	container.Named: {"hostname", "sethostname", narrate.Call{
		Text: "Set its hostname", Go: "namespace.SetHostname(name)", Hand: "hostname container",
		Man: "sethostname(2)", At: namespace.SetHostname,
	}, func(_ *look, init *procfs.Process) string { return hostnameOf(init) }},
	container.Base: {"/usr", "mount", narrate.Call{
		Text: "Make its mounts private, and mount the host's /usr below a layer in memory",
		Sys: [][2]string{{`mount("", "/", …, MS_REC|MS_PRIVATE)`, "propagate nothing to the host"},
			{`mount("overlay", "usr", "overlay", …)`, "lowerdir=/usr, upperdir in a tmpfs"}},
		Go: "rootfs.Begin(spec); root.Base()", Man: "mount_namespaces(7)", At: (*rootfs.Rootfs).Base,
	}, (*look).mounts},
	container.Etc: {"/etc", "openat, symlinkat", narrate.Call{
		Text: "Create its /etc", Go: "root.Etc()", Man: "hosts(5), resolv.conf(5)",
		At: (*rootfs.Rootfs).Etc,
	}, entries("etc")},
	container.Dev: {"/dev", "mount, mknodat", narrate.Call{
		Text: "Create its /dev: six devices bind-mounted from the host, and its own terminals",
		Sys:  [][2]string{{`mount("devpts", "dev/pts", "devpts", …, "newinstance,…")`, ""}},
		Go:   "root.Dev()", Man: "pts(4)", At: (*rootfs.Rootfs).Dev,
	}, entries("dev")},
	container.Proc: {"/proc", "mount", narrate.Call{
		Text: "Mount a /proc that shows the processes of its PID namespace",
		Sys:  [][2]string{{`mount("proc", "proc", "proc", …)`, ""}},
		Go:   "root.Proc()", Man: "proc(5)", Hand: "mount -t proc proc /proc", At: (*rootfs.Rootfs).Proc,
	}, func(_ *look, init *procfs.Process) string { return processes(newRoot(init, "proc")) }},
	container.Sys: {"/sys", "mount", narrate.Call{
		Text: "Mount a read-only /sys that shows the interfaces of its network namespace",
		Sys:  [][2]string{{`mount("sysfs", "sys", "sysfs", MS_RDONLY|…)`, ""}},
		Go:   "root.Sys()", Man: "sysfs(5)", At: (*rootfs.Rootfs).Sys,
	}, func(_ *look, init *procfs.Process) string {
		return plural(len(list(newRoot(init, "sys/class/net"))), "interface", "interfaces")
	}},
	container.Volumes: {"volumes", "move_mount", narrate.Call{
		Text: "Attach its volumes", Go: "root.Volumes()", Man: "mount(8)", At: (*rootfs.Rootfs).Volumes,
	}, (*look).mounts},
	container.Pivoted: {"root directory", "pivot_root, umount2", narrate.Call{
		Text: "Make the new root /, and unmount the old one",
		Sys: [][2]string{{`pivot_root(".", ".")`, "mounts the old root on top of the new one"},
			{`umount2(".", MNT_DETACH)`, "detaches it, with every mount below"}},
		Go: "root.Pivot()", Man: "pivot_root(2)", Hand: "pivot_root . .; umount -l .", At: rootfs.PivotRoot,
	}, func(_ *look, init *procfs.Process) string {
		return "host's / mounted " + times(hostRoots(init.PID))
	}},
	container.Covered: {"masked paths", "mount, mount_setattr", narrate.Call{
		Text: "Mask what /proc and /sys show of the host, or make it read-only",
		Sys: [][2]string{{`mount(…, "/proc/keys", …, MS_BIND, …)`, "the null device, over a file"},
			{`mount_setattr(…, "/proc/sys", …)`, "read-only, with mounts below"}},
		Go: "rootfs.Cover(null, masked, readOnly)", Man: "proc(5)", At: rootfs.Cover,
	}, (*look).mounts},
	container.Connected: {"network", "ioctl(SIOCSIFFLAGS)", narrate.Call{
		Text: "Bring up loopback. The veth pair to the bridge was attached from outside",
		Go:   "lo.Up()", Man: "netdevice(7), veth(4)", Hand: "ip link set lo up", At: lo.Up,
	}, func(_ *look, init *procfs.Process) string { return "up: " + up(init) }},
	container.Walled: {"privileges", "prctl, capset, keyctl", narrate.Call{
		Text: "Drop privileges: most capabilities, set-user-ID programs, the caller's keys",
		Sys: [][2]string{{"keyctl(KEYCTL_JOIN_SESSION_KEYRING)", "an empty session keyring"},
			{"prctl(PR_CAPBSET_DROP, …), capset(…)", "Docker's default capabilities stay"},
			{"prctl(PR_SET_NO_NEW_PRIVS, 1)", "set-user-ID bits have no effect"}},
		Go: "container.KeepCapabilities()", Man: "capabilities(7)",
		Hand: "setpriv --no-new-privs --bounding-set=-all sh", At: container.KeepCapabilities,
	}, func(_ *look, init *procfs.Process) string { return "CapEff " + status(init.PID, "CapEff") }},
}

// start is how PID 1 starts the command, once all parts are done. Nothing has changed yet.
var start = narrate.Call{
	Text: "Start the command without our file descriptors; PID 1 stays and is its init",
	Sys: [][2]string{{"clone3(…), execve(…)", "the command"},
		{"close_range(…)", "every other file descriptor"}, {"wait4(-1, …)", "reaps every child"}},
	Go: "initproc.Start(argv, env, files, birth)", Man: "pid_namespaces(7)", At: initproc.Start,
}

// A look reads, from outside, what each part of a container has changed.
type look struct {
	n     *narrate.Narrator
	table []narrate.Row
	had   int // mounts after the part before
}

// at is called when a part is done, while PID 1 waits.
func (l *look) at(init *procfs.Process, name container.Part) {
	detailed := l.n.Verbose || l.n.JSON
	if name == container.Ready {
		if detailed {
			l.n.Do(start)
		}
		return
	}
	p := parts[name]
	row := narrate.Show(p.label, p.sys, p.read(l, init))
	l.had = mountsOf(init)
	if !detailed {
		l.table = append(l.table, row)
		return
	}
	l.n.Do(p.call)
	l.n.Evidence(row)
	l.n.Evidence(l.details(init, name)...)
}

// print prints the table.
func (l *look) print() {
	if len(l.table) > 0 {
		l.n.Evidence(l.table...)
	}
}

// details are what a part has changed that the table has no room for.
func (l *look) details(init *procfs.Process, name container.Part) []narrate.Row {
	switch name {
	case container.Born:
		return []narrate.Row{
			narrate.Show("NSpid", squeeze(status(init.PID, "NSpid")), "on the host, inside"),
			narrate.Show("/proc/PID/uid_map", squeeze(read(fmt.Sprintf("/proc/%d/uid_map", init.PID))), "inside, outside, how many"),
		}
	case container.Connected:
		return []narrate.Row{narrate.Show("interfaces", addresses(init))}
	case container.Walled:
		return []narrate.Row{narrate.Show("NoNewPrivs", status(init.PID, "NoNewPrivs"))}
	}
	return []narrate.Row{narrate.Show("/proc/PID/mountinfo", plural(l.had, "mount", "mounts"))}
}

func (*look) namespaces(init *procfs.Process) string {
	pids := len(strings.Fields(status(init.PID, "NSpid")))
	return plural(namespacesNotOurs(init.PID), "namespace", "namespaces") + ", " + plural(pids, "PID", "PIDs")
}

// mounts says how many mounts a part has added.
func (l *look) mounts(init *procfs.Process) string {
	return plural(mountsOf(init)-l.had, "more mount", "more mounts")
}

func mountsOf(p *procfs.Process) int {
	return strings.Count(read(fmt.Sprintf("/proc/%d/mountinfo", p.PID)), "\n")
}

// newRoot returns the path of a file in the new root, before pivot_root. (proc_pid_root(5))
func newRoot(init *procfs.Process, name string) string {
	return fmt.Sprintf("/proc/%d/root/tmp/root/%s", init.PID, name)
}

// entries returns a function that counts the entries of a directory in the new root.
func entries(name string) func(*look, *procfs.Process) string {
	return func(_ *look, init *procfs.Process) string {
		return plural(len(list(newRoot(init, name))), "entry", "entries")
	}
}

// list returns the names in a directory; none if it cannot be read.
func list(dir string) (names []string) {
	all, _ := os.ReadDir(dir)
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// processes says how many processes a /proc shows.
func processes(proc string) string {
	count := 0
	for _, name := range list(proc) {
		if _, err := strconv.Atoi(name); err == nil {
			count++
		}
	}
	return plural(count, "process", "processes")
}

// hostnameOf returns the hostname in the UTS namespace of a process, which a thread of ours joins. The
// thread is locked, so it exits with its goroutine.
func hostnameOf(p *procfs.Process) string {
	name := make(chan string)
	go func() {
		runtime.LockOSThread()
		if err := namespace.Join(p, namespace.UTS); err != nil {
			name <- err.Error()
			return
		}
		host, err := os.Hostname()
		if err != nil {
			host = err.Error()
		}
		name <- host
	}()
	return <-name
}

// namespacesNotOurs counts the namespaces of a process that this thread is not in.
func namespacesNotOurs(pid int) (count int) {
	theirs, err1 := procfs.Of(pid)
	ours, err2 := procfs.Of(os.Getpid())
	if err1 != nil || err2 != nil {
		return -1
	}
	for name, inode := range ours {
		if theirs[name] != inode {
			count++
		}
	}
	return count
}

// hostRoots counts the mounts of a process that show the host's root directory.
func hostRoots(pid int) int {
	root, err := leak.RootMount()
	if err != nil {
		return -1
	}
	return strings.Count(read(fmt.Sprintf("/proc/%d/mountinfo", pid)), root)
}

// cgroupOf returns where a process's cgroup is: below ours, or the caller's.
func cgroupOf(pid int) string {
	text := read(fmt.Sprintf("/proc/%d/cgroup", pid))
	switch {
	case strings.Contains(text, cgroup.Prefix):
		return "…/" + cgroup.Prefix + "…"
	case text == read("/proc/self/cgroup"):
		return "the host's"
	}
	return squeeze(text)
}

// address returns the first address of a process's network namespace, except loopback.
func address(p *procfs.Process) string {
	links, err := network.Links(p)
	if err != nil {
		return err.Error()
	}
	for _, l := range links {
		for _, a := range l.Addrs {
			if !a.Addr().IsLoopback() {
				return a.String()
			}
		}
	}
	return "none"
}

// up names the interfaces of a process that are up.
func up(p *procfs.Process) string {
	links, err := network.Links(p)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, l := range links {
		if l.Up {
			names = append(names, l.Name)
		}
	}
	return strings.Join(names, ", ")
}

// addresses lists the network interfaces of a process with their addresses.
func addresses(p *procfs.Process) string {
	links, err := network.Links(p)
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, l := range links {
		all = append(all, l.String())
	}
	return strings.Join(all, "; ")
}

func read(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// plural returns a number of things in words.
func plural(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func times(n int) string { return plural(n, "time", "times") }

// alive reports whether a process has not exited. (pidfd_open(2): a pidfd is readable once it has)
func alive(p *procfs.Process) bool { return !exits(p, 0) }

// waitGone reports whether a process exits within two seconds.
func waitGone(p *procfs.Process) bool { return exits(p, 2*time.Second) }

func exits(p *procfs.Process, within time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(p.PidFD()), Events: unix.POLLIN}}
	for end := time.Now().Add(within); ; {
		n, err := unix.Poll(fds, int(max(0, time.Until(end)).Milliseconds()))
		if err != unix.EINTR {
			return n == 1
		}
	}
}

func present(is bool) string {
	if is {
		return "still running"
	}
	return "exited"
}
