package errno

import (
	"strings"
	"syscall"
)

func is(numbers ...syscall.Errno) []syscall.Errno { return numbers }

func of(ops ...string) []string { return ops }

// say returns an explanation that does not depend on the machine.
func say(text string) func(failure) string { return func(failure) string { return text } }

// rules are tried in order, and the first that returns a text wins. So a special rule comes before
// a general one.
var rules = []rule{
	// exec and clone
	{is(syscall.ENOENT), of(`\r" `), say("The first line of the script ends with a " +
		"carriage return, as Windows editors write it, and the kernel takes it as part of the " +
		"interpreter's name. Remove all of them: sed -i 's/\\r$//' SCRIPT. (execve(2))")},
	{is(syscall.ENOENT), of(`interpreter "`), say("A script names its interpreter in the " +
		"first line, a dynamic program in its ELF header. Copy it into the container's root, " +
		"too, or use a static program. (execve(2))")},
	{is(syscall.ENOENT), of("exec"), say("The file does not exist where the command runs: from " +
		"stage 03 on, a command has its own root and sees only the files there. (execve(2))")},
	{is(syscall.ENOEXEC), nil, say("The kernel does not know the format of this file: it is " +
		"built for another processor, or it is a script whose first line is not #! and an " +
		"interpreter. (execve(2))")},
	{is(syscall.ETXTBSY), nil, say("A process has the file open for writing, so it cannot be " +
		"executed. (execve(2))")},
	{is(syscall.EACCES), of("timens_offsets"), say("A process is in the time namespace already, " +
		"and the offsets must be written before the first one joins it. So call unshare, write " +
		"the offsets, and only then fork. (time_namespaces(7))")},
	{is(syscall.EINVAL, syscall.ERANGE), of("timens_offsets"), say("The offset would set a clock " +
		"below zero or too far ahead, or a line is not CLOCK SECONDS NANOSECONDS. " +
		"(time_namespaces(7))")},
	{is(syscall.EPERM, syscall.EACCES), of("uid_map", "gid_map"), mapRefused},
	{is(syscall.EINVAL), of("uid_map", "gid_map"), say("Each line of an ID map is INSIDE OUTSIDE " +
		"COUNT. The ranges must not overlap, and the outside IDs must be mapped in the parent " +
		"user namespace. (user_namespaces(7))")},
	{is(syscall.EPERM, syscall.EACCES), of("setgroups"), say("setgroups(2) is denied in this " +
		"user namespace. An ordinary user must deny it before writing gid_map, because a process " +
		"that leaves a group can gain access that the group denies. (user_namespaces(7))")},
	{is(syscall.EAGAIN), of("fork", "clone", "exec", "thread"), say("A limit on processes is " +
		"reached: pids.max of the cgroup, or RLIMIT_NPROC of the user. (pids.events or " +
		"pids.current in the cgroup shows which; ulimit -u)")},
	{is(syscall.ENOMEM), of("fork", "clone", "exec"), say("Memory is short, or PID 1 of this PID " +
		"namespace has exited: after that, no process can be created in it. (pid_namespaces(7))")},
	{is(syscall.EBUSY), of("clone", "fork/exec"), say("The child would start in a cgroup that " +
		"enables controllers for its children, and such a cgroup cannot contain processes. Start " +
		"the child in a leaf cgroup. (clone(2), CLONE_INTO_CGROUP; cgroups(7))")},
	{is(syscall.EOPNOTSUPP, syscall.ENOTSUP), of("clone", "fork/exec"), say("The child would " +
		"start in a cgroup of the type \"domain invalid\", because a cgroup above it is " +
		"threaded. (see cgroup.type; clone(2), CLONE_INTO_CGROUP)")},
	{is(syscall.E2BIG), of("clone3", "mount_setattr", "openat2"), say("This kernel is older than " +
		"the structure that it got, and does not know its last fields: the flag is too new for " +
		"it.")},
	{is(syscall.E2BIG), of("exec"), say("The arguments and the environment together are too " +
		"long. (execve(2), ulimit -s)")},
	{is(syscall.EUSERS), of("setns"), say("Only a process with a single thread can join a time " +
		"namespace: fork first. (setns(2))")},
	{is(syscall.EUSERS), nil, say("There are too many user namespaces, or they are nested deeper " +
		"than 32. Kernels before 4.9 fail like this. (user_namespaces(7))")},
	{is(syscall.ENOSPC), of("clone", "fork/exec", "unshare", "namespace"), limitReached},
	{is(syscall.EINVAL), of("clone", "fork/exec", "unshare"), say("The kernel does not accept " +
		"these flags together, or does not have the namespace. A new user namespace needs a " +
		"process with a single thread: a Go program has several, so it creates a child with the " +
		"clone flag. clone(2) cannot create a time namespace, only clone3(2) or unshare(2) can.")},
	{is(syscall.EPERM), of("clone", "fork/exec", "unshare", "namespace"), func(failure) string {
		return privilege(capSysAdmin, "A new namespace needs CAP_SYS_ADMIN. Only a new user "+
			"namespace needs none, but in a chroot, or if the caller's IDs are not mapped, it "+
			"fails, too.")
	}},
	{is(syscall.EINVAL), of("setns"), say("The file descriptor is not a namespace of that type, " +
		"or it is the user namespace that the process is in already, or the process has several " +
		"threads. (Only a process with a single thread that shares nothing can join a user or " +
		"mount namespace.) (setns(2))")},
	{is(syscall.EPERM), of("setns"), func(failure) string {
		return privilege(capSysAdmin, "Joining a namespace needs CAP_SYS_ADMIN in the user "+
			"namespace that owns it: join that user namespace first.")
	}},
	{is(syscall.ESRCH), of("cgroup.procs", "cgroup.threads", "/tasks"), say("The process has " +
		"exited, or has no PID in the PID namespace of the writing process. (cgroups(7))")},
	{is(syscall.ESRCH), nil, say("The process does not exist any more: it has exited, and its " +
		"parent has reaped it. (kill(2))")},

	// cgroups
	{is(syscall.EBUSY), of("subtree_control"), say("The cgroup contains processes, so it cannot " +
		"enable controllers for its children (the \"no internal processes\" rule). Move the " +
		"processes to a child cgroup first. (cgroups(7))")},
	{is(syscall.ENOENT), of("subtree_control"), say("The controller is not in this cgroup's " +
		"cgroup.controllers: the parent cgroup does not enable it, cgroup v1 uses it, or the " +
		"kernel does not have it. (cgroups(7))")},
	{is(syscall.EOPNOTSUPP, syscall.ENOTSUP), of("subtree_control", "cgroup.procs", "cgroup.type"), say(
		"The cgroup is threaded or \"domain invalid\" (see cgroup.type), so it can have neither " +
			"domain controllers nor whole processes. (cgroups(7))")},
	{is(syscall.EBUSY), of("rmdir", "remove", "unlinkat"), func(f failure) string {
		if inCgroup(f) {
			return "Only an empty cgroup can be removed: first its processes must exit, then its " +
				"children be removed. A zombie does not count, but a killed process does until " +
				"it has exited. (cgroups(7))"
		}
		return "Something is mounted on it: unmount it first. (rmdir(2))"
	}},
	{is(syscall.EBUSY), of("cpuset", "cgroup"), say("The cgroup, its children or its processes " +
		"still use what the write would remove. (cgroups(7))")},
	{is(syscall.ENOSPC), of("cpuset", "cgroup"), say("No disk is full: on cgroup v1, a cpuset " +
		"accepts a process only after cpuset.cpus and cpuset.mems are set. (cpuset(7))")},
	{is(syscall.ENODEV), of("io.max", "io.weight", "blkio"), say("The block device does not " +
		"exist, or it is a partition: a limit applies to the whole disk, as MAJOR:MINOR. (cat " +
		"/proc/partitions)")},
	{is(syscall.EINVAL, syscall.ERANGE), of("cgroup", ".max", ".weight"), say("The kernel does " +
		"not accept this value for this file: a number is out of range, or the format is wrong " +
		"(cpu.max needs QUOTA PERIOD, io.max MAJOR:MINOR key=value). (cgroup-v2.rst in the " +
		"kernel's documentation)")},
	{is(syscall.EROFS), of("cgroup"), say("The cgroup file system is mounted read-only here, as " +
		"Docker does for its containers. Run the program outside of the container, or start the " +
		"container with --privileged or --cgroupns=private and a writable mount.")},
	{is(syscall.EACCES, syscall.EPERM), of("cgroup"), func(failure) string {
		if machine.root() {
			return ""
		}
		if machine.uid() == 0 {
			return "For the files of a cgroup, root in a user namespace is an ordinary user. The " +
				"cgroup must be delegated: your UID on the host must own it. (cgroups(7), " +
				"delegation)"
		}
		return "You do not own this cgroup. Ask systemd to delegate one: systemd-run --user " +
			"--scope -p Delegate=yes COMMAND; or run as root: go run -exec sudo ./NN-name. (To " +
			"move a process, you also need write access to the common ancestor of both cgroups. " +
			"cgroups(7), delegation)"
	}},
	{is(syscall.ENOENT), of("cgroup"), say("This cgroup has no such file: its parent does not " +
		"enable the controller (see cgroup.subtree_control there), or it is the root cgroup, " +
		"which has no limits. (cgroups(7))")},

	// mounts and roots
	{is(syscall.EINVAL), of("pivot_root", "pivot root"), func(failure) string {
		return "The new root must be a mount point (bind-mount it onto itself), and neither its " +
			"mount nor that of the current root can be shared: make / private first, " +
			"recursively. pivot_root cannot replace the initial ramfs either. (pivot_root(2))"
	}},
	{is(syscall.EBUSY), of("pivot_root", "pivot root"), say("The new root, or the directory for " +
		"the old root, is on the current root's mount: the new root must be its own mount. " +
		"(pivot_root(2))")},
	{is(syscall.EPERM), of("pivot_root", "pivot root", "chroot"), func(failure) string {
		return privilege(capSysAdmin, "The call needs CAP_SYS_ADMIN (chroot: CAP_SYS_CHROOT) in "+
			"the user namespace that owns the mount namespace.")
	}},
	{is(syscall.EINVAL), of("umount"), say("It is not a mount point, or the mount was copied " +
		"from a more privileged mount namespace and is locked. (umount(2), mount_namespaces(7))")},
	{is(syscall.EBUSY), of("umount"), say("A process has its root, its working directory or an " +
		"open file there: detach the mount (MNT_DETACH, umount -l) or terminate that process. " +
		"(umount(2))")},
	{is(syscall.EINVAL), of("overlay"), say("The layers do not fit: lowerdir must exist, " +
		"upperdir and workdir must be on one file system that is not an overlay, and workdir " +
		"must be empty. A kernel before 5.11 needs root. The kernel's log says which it is: " +
		"dmesg | tail")},
	{is(syscall.EBUSY), of("overlay"), say("Another overlay uses this upperdir or workdir. Each " +
		"container needs its own pair.")},
	{is(syscall.ESTALE), of("overlay"), say("The upperdir was used with another lowerdir: start " +
		"with an empty pair of upperdir and workdir.")},
	{is(syscall.EINVAL), of("mount", "bind"), say("It is a bind mount of a mount that is unbindable " +
		"or locked, or of a file where a directory is needed, a move of a mount whose parent is " +
		"shared, a remount of a path that is not a mount point, or a flag or option that this " +
		"file system does not know. (mount(2))")},
	{is(syscall.EPERM), of("mount", "sysfs", "proc on", "fsmount"), func(f failure) string {
		for fs, ns := range map[string]string{"sysfs": "network", "proc": "pid"} {
			if strings.Contains(f.text, "mount "+fs) && machine.uid() == 0 && !machine.root() {
				return "A user namespace can mount a new " + fs + " only if it owns the " + ns +
					" namespace, and only if nothing masks a part of the one that is mounted " +
					"already " +
					"(container engines mask parts of it). Bind-mount the old one instead, or " +
					"run outside of that container. (user_namespaces(7), mount_namespaces(7))"
			}
		}
		return privilege(capSysAdmin, "Mounting needs CAP_SYS_ADMIN in the user namespace that "+
			"owns the mount namespace. A mount from a more privileged mount namespace keeps its "+
			"flags nosuid, nodev and read-only.")
	}},
	{is(syscall.EACCES), of("mount"), func(failure) string {
		if why := forbidden(); why != "" {
			return why
		}
		return "You are not allowed to search a directory of the path, or the source is a block " +
			"device that is read-only or on a mount with nodev. (mount(2))"
	}},
	{is(syscall.ENODEV), of("mount", "fsopen"), say("The kernel does not know this file system " +
		"type: it is not built in, and its module is not loaded. (cat /proc/filesystems; sudo " +
		"modprobe overlay)")},
	{is(syscall.ENOSPC), of("mount("), say("No disk is full: this mount namespace has as many " +
		"mounts as fs.mount-max allows. (mount(2))")},
	{is(syscall.ENOENT), of("mount", "bind"), say("The source or the mount point does not exist. " +
		"The kernel creates neither: create the directory first, or the file for a bind mount of " +
		"a file. (mount(2))")},
	{is(syscall.EBUSY), of("mount"), say("It is mounted there already, or is in use in another " +
		"way. (mount(2))")},
	{is(syscall.ENOTDIR), of("mount", "bind"), say("A file can be bind-mounted only onto a file, " +
		"and a directory only onto a directory. (mount(2))")},
	{is(syscall.EPERM), of("mknod"), say("No process in a user namespace can create a device " +
		"node, not even root: bind-mount the host's node instead. (mknod(2), user_namespaces(7))")},
	{is(syscall.EINVAL, syscall.EOVERFLOW), of("chown", "open", "mkdir", "create"), say(
		"The owner's ID is not mapped in this user namespace. (user_namespaces(7))")},
	{is(syscall.EROFS), nil, say("The file system, or this mount of it, is read-only, also for " +
		"root. (In a container this can be intended: mount a volume or a tmpfs where the command " +
		"must write.)")},
	{is(syscall.ENOSPC), of("inotify"), say("No disk is full: the user's limit on inotify " +
		"watches is reached. Raise it: sudo sysctl -w fs.inotify.max_user_watches=524288")},
	{is(syscall.EMFILE), of("inotify"), say("The user's limit on inotify instances is reached. " +
		"Raise it: sudo sysctl -w fs.inotify.max_user_instances=1024")},
	{is(syscall.ENOSPC), nil, say("The file system is full, or has no free inodes. (The option " +
		"size= limits a tmpfs.) (df -h; df -i)")},
	{is(syscall.EXDEV), nil, say("The two paths are on different mounts, maybe of one disk: a " +
		"link or a rename cannot cross from one to the other.")},

	// names, processes, devices
	{is(syscall.EPERM), of("sethostname", "setdomainname"), func(failure) string {
		return privilege(capSysAdmin, "Setting the hostname needs CAP_SYS_ADMIN in the user "+
			"namespace that owns the UTS namespace, so create both namespaces.")
	}},
	{is(syscall.EPERM), of("rlimit"), say("Raising a hard limit needs CAP_SYS_RESOURCE in the " +
		"initial user namespace, which root in a container does not have. (setrlimit(2))")},
	{is(syscall.EPERM, syscall.EACCES), of("link", "route", "addr", "netlink", "nft", "veth", "bridge", "socket"), func(failure) string {
		return privilege(capNetAdmin, "Links, addresses, routes and rules need CAP_NET_ADMIN (a "+
			"raw socket CAP_NET_RAW) in the user namespace that owns the network namespace. A "+
			"port below 1024 needs CAP_NET_BIND_SERVICE.")
	}},
	{is(syscall.EACCES), of("bind", "listen"), say("A port below 1024 needs " +
		"CAP_NET_BIND_SERVICE. (ip(7), net.ipv4.ip_unprivileged_port_start)")},
	{is(syscall.EOPNOTSUPP, syscall.ENOTSUP), of("link", "veth", "bridge", "netlink", "nft", "table", "chain"), say(
		"The kernel does not know this type of link or rule: a module is missing. (sudo modprobe " +
			"veth bridge nf_tables nft_chain_nat nft_masq)")},
	{is(syscall.ENOENT), of("nft", "chain", "table"), say("The table or chain does not exist, or " +
		"the kernel does not know the type of the chain or the expression because a module is " +
		"missing. (sudo modprobe nf_tables nft_chain_nat nft_masq)")},
	{is(syscall.EEXIST), of("link", "veth", "bridge", "route", "addr"), say("It exists already: " +
		"a network namespace can have a name, an address or a route only once.")},
	{is(syscall.ENODEV), of("link", "veth", "bridge", "route", "addr", "net"), say("This network " +
		"namespace has no link of that name: each network namespace has its own links.")},
	{is(syscall.EADDRINUSE), nil, say("Another socket in this network namespace has this address " +
		"and port. In a new network namespace, the same port is free. (ss -ltnp shows which " +
		"process has it)")},
	{is(syscall.EADDRNOTAVAIL), nil, say("No link in this network namespace has that address: " +
		"another namespace has it, or it is not set yet. (ip address)")},
	{is(syscall.ENETUNREACH), nil, say("This network namespace has no route there. A new one has " +
		"no routes at all: bring up lo, and add an address and a default route. (ip route)")},
	{is(syscall.EHOSTUNREACH), nil, say("There is a route, but no machine on the link answers " +
		"for that address: is the other end up and in the right network namespace? (ip neigh)")},
	{is(syscall.ECONNREFUSED), nil, say("The packet arrived, but no process listens on that port " +
		"there: does the server run, and in that network namespace?")},
	{is(syscall.EPERM), of("kill", "signal"), say("The process belongs to another user, or to a " +
		"user namespace that is not below yours. (kill(2))")},
	{is(syscall.EPERM, syscall.EACCES), of("bpf"), func(failure) string {
		return privilege(capBPF, "Loading a BPF program needs CAP_BPF (device rules on cgroup v2 "+
			"also CAP_NET_ADMIN or CAP_SYS_ADMIN) in the initial user namespace.")
	}},
	{is(syscall.EACCES), of("memfd_create"), say("No file in memory can be executed here. " +
		"Allow it: sudo sysctl -w vm.memfd_noexec=1 (it applies to a PID namespace: " +
		"sysctl/vm.rst in the kernel's documentation)")},
	{is(syscall.EACCES), of("exec"), say("The file is not executable or is a directory, you are " +
		"not allowed to search a directory of its path, or its mount is noexec. (execve(2))")},
	{is(syscall.ENOTTY), nil, say("This is not a terminal: standard input or output is " +
		"redirected.")},
	{is(syscall.ENOSYS), nil, say("This kernel does not have the system call, or the seccomp " +
		"filter of an outer container pretends that it does not. (uname -r; grep Seccomp " +
		"/proc/self/status)")},
	{is(syscall.ELOOP), nil, say("The path has too many symbolic links, or one where none is " +
		"allowed. (path_resolution(7))")},
	{is(syscall.EMFILE), nil, say("This process has as many open files as its limit allows. " +
		"(ulimit -n)")},
}

func inCgroup(f failure) bool { return strings.Contains(f.text, "cgroup") }
