package errno

import (
	"strings"
	"syscall"
)

func is(numbers ...syscall.Errno) []syscall.Errno { return numbers }

func of(ops ...string) []string { return ops }

// say is an explanation that does not depend on the machine.
func say(text string) func(failure) string { return func(failure) string { return text } }

// rules are tried in order: the first that has something to say wins, so the special ones stand before the general.
var rules = []rule{
	// exec and clone
	{is(syscall.ENOENT), of(`\r" `), say("The first line of the script ends with a carriage return, " +
		"as Windows editors write it, and to the kernel that is part of the name. Remove them all: sed -i 's/\\r$//' SCRIPT. (execve(2))")},
	{is(syscall.ENOENT), of(`interpreter "`), say("A script names it in its first line, a dynamic program " +
		"in its ELF header. Put it into the container's root as well, or use a static program. (execve(2))")},
	{is(syscall.ENOENT), of("exec"), say("Where the command runs there is no such file: " +
		"with its own root, from stage 03 on, it sees the files of that root only. (execve(2))")},
	{is(syscall.ENOEXEC), nil, say("The kernel knows no format for this file: it is built for another processor, or it is a script whose first line is not #! and an interpreter. (execve(2))")},
	{is(syscall.ETXTBSY), nil, say("The file is open for writing somewhere, and a file being written cannot be executed. (execve(2))")},
	{is(syscall.EACCES), of("timens_offsets"), say("A process has entered the time namespace already: its offsets must be written before the first one does. So unshare first, write, and only then fork. (time_namespaces(7))")},
	{is(syscall.EINVAL, syscall.ERANGE), of("timens_offsets"), say("The offset would move a clock below zero or too far ahead, or a line is not: CLOCK SECONDS NANOSECONDS. (time_namespaces(7))")},
	{is(syscall.EPERM, syscall.EACCES), of("uid_map", "gid_map"), mapRefused},
	{is(syscall.EINVAL), of("uid_map", "gid_map"), say("The lines of a map are: INSIDE OUTSIDE COUNT. Ranges must not overlap, and the outside IDs must exist in the parent's own map. (user_namespaces(7))")},
	{is(syscall.EPERM, syscall.EACCES), of("setgroups"), say("In this user namespace setgroups is denied, as it must be where an ordinary user wrote the gid_map: leaving a group could give more rights, not fewer. (user_namespaces(7))")},
	{is(syscall.EAGAIN), of("fork", "clone", "exec", "thread"), say("No further process is allowed: the limit in pids.max of the cgroup, or RLIMIT_NPROC of the user, is reached. (pids.events or pids.current in the cgroup tell which; ulimit -u)")},
	{is(syscall.ENOMEM), of("fork", "clone", "exec"), say("Memory is short, or PID 1 of this pid namespace has ended: after that nobody is born there any more. (pid_namespaces(7))")},
	{is(syscall.EBUSY), of("clone", "fork/exec"), say("The child should have been born in a cgroup that hands controllers down to children; such a group holds no processes of its own. Start it in a leaf. (clone(2), CLONE_INTO_CGROUP; cgroups(7))")},
	{is(syscall.EOPNOTSUPP, syscall.ENOTSUP), of("clone", "fork/exec"), say("The cgroup that the child should be born in is of type \"domain invalid\": a group above it is threaded. (see cgroup.type; clone(2), CLONE_INTO_CGROUP)")},
	{is(syscall.E2BIG), of("clone3", "mount_setattr", "openat2"), say("This kernel is older than the structure it was given and does not know its last fields: the flag asked for is too new for it.")},
	{is(syscall.E2BIG), of("exec"), say("Arguments and environment together are too long for one process. (execve(2), ulimit -s)")},
	{is(syscall.EUSERS), of("setns"), say("A time namespace is entered by a process of one thread: fork first.")},
	{is(syscall.EUSERS), nil, say("Too many user namespaces, or more than 32 in one another (this is how kernels before 4.9 said it). (user_namespaces(7))")},
	{is(syscall.ENOSPC), of("clone", "fork/exec", "unshare", "namespace"), limitReached},
	{is(syscall.EINVAL), of("clone", "fork/exec", "unshare"), say("The kernel does not take these flags together, or lacks the namespace: a new user namespace needs a process of one thread (a Go program has several: use clone flags on a child), and a new time namespace cannot come from clone(2), only from clone3(2) or unshare(2).")},
	{is(syscall.EPERM), of("clone", "fork/exec", "unshare", "namespace"), func(failure) string {
		return privilege(capSysAdmin, "A new namespace needs CAP_SYS_ADMIN; a new user namespace needs none, but is refused inside a chroot and to IDs that are not mapped.")
	}},
	{is(syscall.EINVAL), of("setns"), say("The descriptor is no namespace of that type, or it is the user namespace one is in already, or the process has several threads (a user or mount namespace is entered by a single thread that shares nothing). (setns(2))")},
	{is(syscall.EPERM), of("setns"), func(failure) string {
		return privilege(capSysAdmin, "Entering a namespace needs CAP_SYS_ADMIN in the user namespace that owns it: enter that user namespace first.")
	}},
	{is(syscall.ESRCH), of("cgroup.procs", "cgroup.threads", "/tasks"), say("There is no such process any more, or it has no number in the pid namespace of the one who writes. (cgroups(7))")},
	{is(syscall.ESRCH), nil, say("The process is gone: it ended before it was reached.")},

	// cgroups
	{is(syscall.EBUSY), of("subtree_control"), say("The group has processes of its own, and a group that hands controllers down to children may have none (the rule of no internal processes). Move them to a child first. (cgroups(7))")},
	{is(syscall.ENOENT), of("subtree_control"), say("The controller is not in cgroup.controllers of this group: the group above does not hand it down, it is in use by cgroup v1, or the kernel lacks it. (cgroups(7))")},
	{is(syscall.EOPNOTSUPP, syscall.ENOTSUP), of("subtree_control", "cgroup.procs", "cgroup.type"), say("The group is threaded or \"domain invalid\" (see cgroup.type), and such a group takes no domain controllers and no whole processes. (cgroups(7))")},
	{is(syscall.EBUSY), of("rmdir", "remove", "unlinkat"), func(f failure) string {
		if inCgroup(f) {
			return "A cgroup is removed only when it is empty: first its processes (zombies do not count, but who was just killed does until he has ended), then its children, then the group."
		}
		return "Something is mounted on it: unmount first."
	}},
	{is(syscall.EBUSY), of("cpuset", "cgroup"), say("The group, its children or its processes still use what the write would take away. (cgroups(7))")},
	{is(syscall.ENOSPC), of("cpuset", "cgroup"), say("Not a full disk: on cgroup v1 a cpuset takes no process before cpuset.cpus and cpuset.mems are set. (cpuset(7))")},
	{is(syscall.ENODEV), of("io.max", "io.weight", "blkio"), say("There is no such block device, or it is a partition: limits are set on the whole disk, as MAJOR:MINOR. (cat /proc/partitions)")},
	{is(syscall.EINVAL, syscall.ERANGE), of("cgroup", ".max", ".weight"), say("The kernel does not take this value for this file: a number out of range, or a wrong form (cpu.max wants QUOTA PERIOD, io.max MAJOR:MINOR key=value). (the kernel's cgroup-v2 document)")},
	{is(syscall.EROFS), of("cgroup"), say("The cgroup file system is mounted read-only here, as Docker does for its containers. Run it outside of the container, or start that with --privileged or --cgroupns=private and a writable mount.")},
	{is(syscall.EACCES, syscall.EPERM), of("cgroup"), func(failure) string {
		if machine.root() {
			return ""
		}
		if machine.uid() == 0 {
			return "Root inside a user namespace is an ordinary user to the files of a cgroup. The group must be delegated: owned by you outside. (cgroups(7), delegation)"
		}
		return "This cgroup is not yours. Ask systemd for one that is: systemd-run --user --scope -p Delegate=yes COMMAND; or run as root: go run -exec sudo ./NN-name. " +
			"(A process may be moved only where one may write to both groups' common ancestor as well. cgroups(7), delegation)"
	}},
	{is(syscall.ENOENT), of("cgroup"), say("This group has no such file: the controller is not handed down to it (see cgroup.subtree_control of its parent), or it is the root group, which has no limits.")},

	// mounts and roots
	{is(syscall.EINVAL), of("pivot_root", "pivot root"), func(failure) string {
		return "The new root must be a mount point (bind it onto itself), and neither it nor the current root may be shared: make / private first, recursively. The initial ramfs cannot be pivoted away either. (pivot_root(2))"
	}},
	{is(syscall.EBUSY), of("pivot_root", "pivot root"), say("The new root and the place for the old one must not lie on the current root itself: the new root must be a mount of its own. (pivot_root(2))")},
	{is(syscall.EPERM), of("pivot_root", "pivot root", "chroot"), func(failure) string {
		return privilege(capSysAdmin, "It needs CAP_SYS_ADMIN (chroot: CAP_SYS_CHROOT) in the user namespace that owns the mount namespace.")
	}},
	{is(syscall.EINVAL), of("umount"), say("It is not a mount point, or the mount came along from a more privileged mount namespace and is locked to what it covers. (umount(2), mount_namespaces(7))")},
	{is(syscall.EBUSY), of("umount"), say("A process has its root, its working directory or an open file there: detach it (MNT_DETACH, umount -l) or end that process. (umount(2))")},
	{is(syscall.EINVAL), of("overlay"), say("The layers do not fit: lowerdir must exist, upperdir and workdir must be on one file system that is no overlay itself, and workdir must be empty; a kernel before 5.11 wants root. The kernel's log says which: dmesg | tail")},
	{is(syscall.EBUSY), of("overlay"), say("Another overlay uses this upperdir or workdir. Every container needs a pair of its own.")},
	{is(syscall.ESTALE), of("overlay"), say("The upper directory belongs to another lower one: start with an empty pair of upperdir and workdir.")},
	{is(syscall.EINVAL), of("mount", "bind"), say("A bind of something that is unbindable, locked or not a directory where one is wanted; a move of a mount whose parent is shared; or a remount of what is no mount point; or a flag or option that this file system does not know. (mount(2))")},
	{is(syscall.EPERM), of("mount", "sysfs", "proc on", "fsmount"), func(f failure) string {
		for fs, ns := range map[string]string{"sysfs": "network", "proc": "pid"} {
			if strings.Contains(f.text, "mount "+fs) && machine.uid() == 0 && !machine.root() {
				return "In a user namespace a new " + fs + " may be mounted only by who owns the " + ns + " namespace, and only if no part of the one that is there is covered " +
					"(an outer container covers parts of it). Bind the old one instead, or run outside of that container. (user_namespaces(7), mount_namespaces(7))"
			}
		}
		return privilege(capSysAdmin, "Mounting needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace; and a mount that came from outside keeps its nosuid, nodev and read-only.")
	}},
	{is(syscall.EACCES), of("mount"), func(failure) string {
		if why := forbidden(); why != "" {
			return why
		}
		return "A directory on the way may not be searched, or the source is a block device that is read-only or on a mount with nodev. (mount(2))"
	}},
	{is(syscall.ENODEV), of("mount", "fsopen"), say("The kernel does not know this type of file system: it is not built in and its module is not loaded. (cat /proc/filesystems; sudo modprobe overlay)")},
	{is(syscall.ENOSPC), of("mount("), say("Not a full disk: this mount namespace has reached fs.mount-max mounts. (mount(2))")},
	{is(syscall.ENOENT), of("mount", "bind"), say("The source or the place to mount on does not exist: the kernel makes neither, create the directory (or the file, for a file) first. (mount(2))")},
	{is(syscall.EBUSY), of("mount"), say("It is mounted there already, or in use in another way. (mount(2))")},
	{is(syscall.ENOTDIR), of("mount", "bind"), say("A file can be bound onto a file only, and a directory onto a directory.")},
	{is(syscall.EPERM), of("mknod"), say("Nobody makes device nodes inside a user namespace, not even its root: bind the host's node instead. (mknod(2), user_namespaces(7))")},
	{is(syscall.EINVAL, syscall.EOVERFLOW), of("chown", "open", "mkdir", "create"), say("The owner has no number in this user namespace: its map does not hold this ID. (user_namespaces(7))")},
	{is(syscall.EROFS), nil, say("The file system or this mount of it is read-only, for root as well. (In a container that may be on purpose: mount a volume or a tmpfs where it should be written.)")},
	{is(syscall.ENOSPC), of("inotify"), say("Not a full disk: the user's limit on watches is reached. Raise it: sudo sysctl -w fs.inotify.max_user_watches=524288")},
	{is(syscall.EMFILE), of("inotify"), say("The user's limit on inotify instances is reached. Raise it: sudo sysctl -w fs.inotify.max_user_instances=1024")},
	{is(syscall.ENOSPC), nil, say("The file system is full, or out of inodes (a tmpfs is as large as its size= option says). (df -h; df -i)")},
	{is(syscall.EXDEV), nil, say("The two paths are on different mounts, even if on one disk: a link or a rename cannot cross them.")},

	// names, processes, devices
	{is(syscall.EPERM), of("sethostname", "setdomainname"), func(failure) string {
		return privilege(capSysAdmin, "The hostname may be set with CAP_SYS_ADMIN in the user namespace that owns the UTS namespace, so take both.")
	}},
	{is(syscall.EPERM), of("rlimit"), say("Raising a hard limit needs CAP_SYS_RESOURCE in the first user namespace: root inside does not have it. (setrlimit(2))")},
	{is(syscall.EPERM, syscall.EACCES), of("link", "route", "addr", "netlink", "nft", "veth", "bridge", "socket"), func(failure) string {
		return privilege(capNetAdmin, "Links, addresses, routes and rules need CAP_NET_ADMIN (a raw socket CAP_NET_RAW) in the user namespace that owns the network namespace; a port below 1024 needs CAP_NET_BIND_SERVICE.")
	}},
	{is(syscall.EACCES), of("bind", "listen"), say("A port below 1024 needs CAP_NET_BIND_SERVICE. (ip(7), net.ipv4.ip_unprivileged_port_start)")},
	{is(syscall.EOPNOTSUPP, syscall.ENOTSUP), of("link", "veth", "bridge", "netlink", "nft", "table", "chain"), say("The kernel does not know this kind of link or rule: a module is missing. (sudo modprobe veth bridge nf_tables nft_chain_nat nft_masq)")},
	{is(syscall.ENOENT), of("nft", "chain", "table"), say("There is no such table or chain, or the kernel lacks the type of chain or expression: a module is missing. (sudo modprobe nf_tables nft_chain_nat nft_masq)")},
	{is(syscall.EEXIST), of("link", "veth", "bridge", "route", "addr"), say("It is there already: a name, an address or a route exists once in a network namespace.")},
	{is(syscall.ENODEV), of("link", "veth", "bridge", "route", "addr", "net"), say("There is no link of that name in this network namespace; each namespace has links of its own.")},
	{is(syscall.EADDRINUSE), nil, say("Another socket of this network namespace has this address and port. In a network namespace of its own the same port is free. (ss -ltnp shows who has it)")},
	{is(syscall.EADDRNOTAVAIL), nil, say("No link of this network namespace has that address: it belongs to another one, or is not given yet. (ip address)")},
	{is(syscall.ENETUNREACH), nil, say("This network namespace has no route there. A new one has none at all: switch lo on, add an address and a default route. (ip route)")},
	{is(syscall.EHOSTUNREACH), nil, say("There is a route, but nobody answers for that address on the link: is the other end up and in the right namespace? (ip neigh)")},
	{is(syscall.ECONNREFUSED), nil, say("The address was reached and nobody listens on that port there: is the server up, and in that network namespace?")},
	{is(syscall.EPERM), of("kill", "signal"), say("The process belongs to another user, or to a user namespace that does not lie below yours. (kill(2))")},
	{is(syscall.EPERM, syscall.EACCES), of("bpf"), func(failure) string {
		return privilege(capBPF, "Loading a BPF program needs CAP_BPF (device rules on cgroup v2 also CAP_NET_ADMIN or CAP_SYS_ADMIN) in the first user namespace.")
	}},
	{is(syscall.EACCES), of("memfd_create"), say("No file in memory may be executed here. As root: sysctl vm.memfd_noexec=1 (it counts for a PID namespace; the kernel's document on sysctl/vm)")},
	{is(syscall.EACCES), of("exec"), say("The file is not executable, it is a directory, a directory on the way may not be searched, or the mount has noexec. (execve(2))")},
	{is(syscall.ENOTTY), nil, say("This is no terminal: standard input or output was redirected.")},
	{is(syscall.ENOSYS), nil, say("This kernel has no such system call, or the seccomp filter of an outer container pretends so. (uname -r; grep Seccomp /proc/self/status)")},
	{is(syscall.ELOOP), nil, say("Too many symbolic links in a row, or a link where none may be followed.")},
	{is(syscall.EMFILE), nil, say("This process has as many files open as its limit allows. (ulimit -n)")},
}

func inCgroup(f failure) bool { return strings.Contains(f.text, "cgroup") }
