//go:build linux

package main

import (
	"fmt"
	"os"
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
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/leak"
	"containerkit/lessons/kit/narrate"
)

// parts tells of each part of the assembly what it is for and in which call it is done. The container itself says
// when: it waits after each part until we have looked.
var parts = map[container.Part]narrate.Call{
	container.Born: {
		Text: "a process starts in its cgroup and in new namespaces, and executes this program again; cgroup and time it unshares itself, once it is in its cgroup",
		Go:   "namespace.Container().Start(program, birth)", OldSys: "clone3(CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWNET), execveat(…), unshare(CLONE_NEWCGROUP), unshare(CLONE_NEWTIME)",
		Man: "namespaces(7), cgroups(7)", Hand: "unshare --user --map-root-user --pid --fork --mount --uts --ipc --net --cgroup --time sh", At: namespace.Spec.Start},
	container.Named: {Text: "it gets a name", Go: "namespace.SetHostname", OldSys: "sethostname", Man: "sethostname(2)", Hand: "hostname container", At: namespace.SetHostname},
	container.Base: {
		Text: "its mounts become private, and its files are laid out on a tmpfs: the host's /usr below, a layer in memory on top",
		Go:   "rootfs.Begin, Base", OldSys: `mount("overlay", "/tmp/root/usr", "overlay", 0, "lowerdir=/usr,upperdir=…,workdir=…")`, Man: "overlayfs in the kernel's Documentation/filesystems", Hand: "mount -t overlay …", At: (*rootfs.Rootfs).Base},
	container.Etc:     {Text: "an /etc is written for it", Go: "Etc", Man: "hosts(5), resolv.conf(5)", At: (*rootfs.Rootfs).Etc},
	container.Dev:     {Text: "a /dev with the few harmless devices, and terminals of its own", Go: "Dev", OldSys: `mount("devpts", "dev/pts", "devpts", …, "newinstance")`, Man: "pts(4)", At: (*rootfs.Rootfs).Dev},
	container.Proc:    {Text: "a /proc that shows its own processes", Go: "Proc", OldSys: `mount("proc", "proc", "proc", …)`, Man: "proc(5)", Hand: "mount -t proc proc /proc", At: (*rootfs.Rootfs).Proc},
	container.Sys:     {Text: "a /sys that shows its own network, read-only", Go: "Sys", OldSys: `mount("sysfs", "sys", "sysfs", MS_RDONLY, …)`, Man: "sysfs(5)", At: (*rootfs.Rootfs).Sys},
	container.Volumes: {Text: "what the host lends is put in its place", Go: "Volumes", OldSys: "open_tree, move_mount", Man: "mount(8), --bind", At: (*rootfs.Rootfs).Volumes},
	container.Pivoted: {Text: "the new root becomes /, and the old one is let go", Go: "Pivot", OldSys: `pivot_root(".", "."), umount2(".", MNT_DETACH)`, Man: "pivot_root(2)", Hand: "pivot_root . .; umount -l .", At: rootfs.PivotRoot},
	container.Covered: {Text: "what /proc and /sys would still tell or let change is covered or made read-only", Go: "rootfs.Cover", OldSys: `move_mount(null, "", AT_FDCWD, "/proc/interrupts", …), mount("/proc/interrupts", "/proc/keys", "", MS_BIND, "")…`, Man: "proc(5)", At: rootfs.Cover},
	container.Connected: {
		Text: "loopback is switched on; the cable to the bridge was plugged in from outside while the process waited",
		Go:   "lo.Up; network.Endpoint.Connect", OldSys: "ioctl(SIOCSIFFLAGS)", Man: "netdevice(7), veth(4)", Hand: "ip link set lo up", At: lo.Up},
	container.Walled: {Text: "at last its powers go: capabilities, new privileges, the caller's keys", Go: "walls", OldSys: "keyctl, prctl(PR_CAPBSET_DROP), capset, prctl(PR_SET_NO_NEW_PRIVS)", Man: "capabilities(7)", Hand: "setpriv --no-new-privs --bounding-set=-all sh", At: container.KeepCapabilities},
	container.Ready: {
		Text: "PID 1 starts the command without any descriptor of ours, and stays as an init: it forwards signals and reaps orphans",
		Go:   "initproc.Start(argv, env, files, birth)", OldSys: "clone3, close_range, execve, wait4(-1, …)",
		Man: "pid_namespaces(7)", Hand: "docker run --init …", At: initproc.Start},
}

// look reads, from outside, what a part has changed.
func look(n *narrate.Narrator, init *procfs.Process, part container.Part) {
	pid := init.PID
	proc := fmt.Sprintf("/proc/%d", pid)
	switch part {
	case container.Born:
		n.OldEvidence(proc+"/status, NSpid: its number here, and inside", status(pid, "NSpid"))
		n.OldEvidence(proc+"/uid_map: who root inside is outside", squeeze(read(proc+"/uid_map")))
		n.OldEvidence(proc+"/ns: namespaces that are not ours", namespacesNotOurs(pid))
	case container.Base, container.Dev, container.Covered:
		n.OldEvidence(proc+"/mountinfo: mounts that it has", strings.Count(read(proc+"/mountinfo"), "\n"))
	case container.Pivoted:
		n.OldEvidence(proc+"/mountinfo: lines that show the host's root", strings.Count(read(proc+"/mountinfo"), hostRoot()))
	case container.Connected:
		n.OldEvidence("addresses in its network", addresses(init))
	case container.Walled:
		n.OldEvidence(proc+"/status, CapEff", status(pid, "CapEff"))
		n.OldEvidence(proc+"/status, NoNewPrivs", status(pid, "NoNewPrivs"))
	}
}

func assemble(n *narrate.Narrator) error {
	n.Question("What is a container, and in which order is it built?")
	n.Note(`"A container is a lightweight VM": the kernel has no object of that name. It has a process, and each part below is one more thing that this process sees differently, or may not do.`)

	// The control is a process like any other, child of this program.
	plain, err := child.Command(viewer)
	if err != nil {
		return err
	}
	if err := plain.Start(); err != nil {
		return err
	}
	defer plain.Close()
	var before view
	if err := plain.Receive(&before); err != nil {
		return err
	}
	control := plain.Process.Pid
	n.OldBefore("an ordinary child of this program shares everything with it", narrate.Data{
		"namespaces of its own": namespacesNotOurs(control), "CapEff": before.Caps, "hostname": before.Hostname})

	outside, err := procfs.Open(control)
	if err != nil {
		return err
	}
	defer outside.Close()
	if n.Without {
		return claims(n, outside, outside, before, before, nil)
	}
	ct, conn, end, err := launch(n, viewer, func(c *container.Config) error {
		c.Trace = func(init *procfs.Process, part container.Part) {
			n.Do(parts[part])
			look(n, init, part)
		}
		if c.Hostname == before.Hostname {
			c.Hostname = "inner" // or one could not tell that it has a name of its own
		}
		return plugIn(c, func(why string) { n.Skip(why, false) })
	})
	if err != nil {
		return err
	}
	defer end()
	var after view
	if err := conn.Receive(&after); err != nil {
		return err
	}
	payload, err := commandOf(ct)
	if err != nil {
		return err
	}
	defer payload.Close()
	if err := claims(n, payload, outside, after, before, ct.Group); err != nil {
		return err
	}

	if err := ct.Kill(); err != nil {
		return err
	}
	gone := waitGone(payload)
	n.OldProof("when process number 1 dies, the kernel ends the whole container", gone, present(!gone), present(alive(outside)))
	n.ByHand("unshare --user --map-root-user --pid --fork --mount-proc --uts --ipc --net sh -ec 'hostname container; hostname; ps ax'")
	end()
	n.Clean("the process is gone, and with it its namespaces, its mounts and its network; its cgroup is removed")
	return nil
}

// claims are the proofs of the assembly, of the command and of an ordinary process as the control.
func claims(n *narrate.Narrator, command, ordinary *procfs.Process, after, before view, group *cgroup.Group) error {
	got, control := command.PID, ordinary.PID
	all, word := 8, "eight"
	if !namespace.HasTime() {
		all, word = 7, "seven"
		n.Skip("no time namespace: this kernel has none", false)
	}
	n.OldProof("it has all "+word+" namespaces to itself", namespacesNotOurs(got) == all, namespacesNotOurs(got), namespacesNotOurs(control))
	inside := strings.Fields(status(got, "NSpid"))
	own := strings.Fields(status(control, "NSpid"))
	n.OldProof("its process has one more number, inside", len(inside) == len(own)+1, fmt.Sprintf("%d numbers", len(inside)), fmt.Sprintf("%d numbers", len(own)))
	roots := func(pid int) int { return strings.Count(read(fmt.Sprintf("/proc/%d/mountinfo", pid)), hostRoot()) }
	n.OldProof("the host's root is not in its mount table", roots(got) == 0, roots(got), roots(control))
	n.OldProof("it has a name of its own", after.Hostname != before.Hostname, after.Hostname, before.Hostname)
	n.OldProof("it reaches a network of its own, with an address", strings.Contains(addresses(command), network.Inside), addresses(command), addresses(ordinary))
	if group == nil && !n.Without {
		return nil // said at the launch
	}
	where := func(pid int) bool { return strings.Contains(read(fmt.Sprintf("/proc/%d/cgroup", pid)), cgroup.Prefix) }
	n.OldProof("it stands in a cgroup made for it", where(got), where(got), where(control))
	return nil
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

// hostRoot is the line for / in our mount table, as far as it names what is mounted.
func hostRoot() string {
	root, err := leak.RootMount()
	if err != nil {
		return err.Error()
	}
	return root
}

// addresses lists the network interfaces of a process with their addresses.
func addresses(p *procfs.Process) string {
	links, err := network.Links(p)
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, l := range links {
		list = append(list, l.String())
	}
	return strings.Join(list, "; ")
}

func read(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

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
		return "still there"
	}
	return "gone"
}
