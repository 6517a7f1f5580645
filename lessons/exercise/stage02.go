package exercise

import "strings"

var stage02 = []Exercise{
	{
		Stage: "02-namespaces", Name: "flags", Step: "pid",
		Title: "a process starts in its own namespaces",
		File:  "02-namespaces/namespace/fill_mine.go",
		Task: `Fill in what os/exec should ask clone(2) for: the namespaces of s.New, in addition
to those that a already asks for. If User is among them, fill in three more things: the UID and
GID mappings (UidMappings and GidMappings; the function sys makes them from s.UIDs and s.GIDs),
whether groups can be set inside (s.Setgroups), and that the process becomes UID 0 and GID 0
inside (Credential).`,
		Read:    []string{"clone(2), CLONE_NEWPID and its relatives", "namespaces(7)", "user_namespaces(7)", "go doc syscall.SysProcAttr"},
		Package: "02-namespaces/namespace", Run: "^TestFill$",
		Shows: "go run -tags mine ./02-namespaces ipc",
		Hints: []string{
			"A Set is a set of flags of clone(2). Which field of syscall.SysProcAttr takes them, " +
				"and what can be in it already?",
			"A process in a new user namespace runs as nobody until ID maps are written. And a " +
				"user other than 0 loses all capabilities at execve(2).",
			"Five fields of syscall.SysProcAttr matter here: go doc syscall.SysProcAttr. Without " +
				"User in s.New, one is enough.",
		},
		Diagnoses: []Diagnosis{
			{"late", func(s State) bool { return s.Facts["unshare flags"] != "0" && s.Facts["unshare flags"] != "" },
				"The process starts outside and calls unshare later. So it keeps its old PID, " +
					"and it isn't PID 1. Create it inside the namespaces."},
			{"overwrites", func(s State) bool { return s.Facts["flags before"] == "lost" },
				"a already asked for another namespace (here ipc), and that request is lost. " +
					"Flags are added."},
			{"no-flags", func(s State) bool { return s.Facts["clone flags"] == "ipc" },
				"Your code asks only for what a already asked for, and for none of the " +
					"namespaces in s.New."},
			{"always", func(s State) bool { return strings.Contains(s.Claim, "without User") },
				"With User the result is right. Without User there is no map to write and no " +
					"user to become: the process keeps its UID and GID."},
			{"nobody", func(s State) bool { return s.Facts["maps"] != "uid gid" },
				"Without a map for users and one for groups, the process sees itself as nobody " +
					"(65534)."},
			{"one-map-twice", func(s State) bool {
				users, groups := s.Facts["a second map for users"], s.Facts["a second map for groups"]
				return users != "[]" && users == groups || users == "[{4 5 6}]"
			},
				"Users and groups got the same map, or each got the other's. UidMappings comes " +
					"from s.UIDs, GidMappings from s.GIDs. Often both hold the same numbers, " +
					"which hides the mistake."},
			{"groups", func(s State) bool { return s.Facts["groups may be set"] == "true" },
				"s.Setgroups is false, but your code allows groups to be set inside. For an " +
					"ordinary user that fails with EPERM. Which field of SysProcAttr controls it?"},
			{"groups-denied", func(s State) bool { return s.Facts["groups may be set if asked for"] == "false" },
				"s.Setgroups asks for groups that can be set inside, but your code leaves that " +
					"out. os/exec then writes \"deny\" to /proc/PID/setgroups, and programs such " +
					"as apt and su fail inside. Which field of SysProcAttr controls it?"},
			{"powerless", func(s State) bool { return s.Facts["credential"] != "0 0" },
				"Nothing makes the process UID 0 and GID 0 inside. Unless it already is, it has " +
					"no capabilities left after execve(2)."},
		},
	},
	{
		Stage: "02-namespaces", Name: "hostname", Step: "uts",
		Title: "the container has its own hostname",
		File:  "02-namespaces/namespace/hostname_mine.go",
		Task: `Set the hostname of the UTS namespace that the calling process is in, with one
system call. The error should name the call that failed (os.NewSyscallError).`,
		Read:    []string{"uts_namespaces(7)", "sethostname(2)"},
		Package: "02-namespaces/namespace", Run: "^TestSetHostname$",
		Shows: "go run -tags mine ./02-namespaces uts",
		Hints: []string{
			"Which namespace isolates the hostname, and which system call changes it? " +
				"uts_namespaces(7) names both.",
			"golang.org/x/sys/unix has a function for every system call, under the same name: " +
				"unix.Getpid is getpid(2). This one takes a byte slice, whose length is the " +
				"length of the name.",
		},
		Diagnoses: []Diagnosis{
			{"swallows", func(s State) bool { return s.Claim == "a name that the kernel does not take is an error" },
				"The kernel rejected a name that is too long (EINVAL), and your function " +
					"returned no error."},
			{"bare-error", func(s State) bool { return s.Claim == "the error names the system call" },
				"The error holds only the errno. \"invalid argument\" doesn't say which call " +
					"failed; os.NewSyscallError adds the call's name and keeps the errno."},
			{"domain", func(s State) bool { return s.Facts["domain inside"] == `"inside.example"` },
				"Your code set the domain name. A UTS namespace holds two names, the hostname " +
					"and the NIS domain name, each with its own system call."},
			{"more-than-the-name", func(s State) bool {
				return s.Facts["hostname inside"] != `"inside.example"` && strings.HasPrefix(s.Facts["hostname inside"], `"inside.example`)
			},
				"The name is set, but something follows it. The kernel takes every byte that it " +
					"gets, including a newline or a NUL."},
			{"unchanged", func(s State) bool { return s.Facts["hostname inside"] == s.Facts["hostname outside"] },
				"Inside, uname(2) still returns the host's name: no hostname has been set."},
		},
	},
	{
		Stage: "02-namespaces", Name: "private", Step: "mnt",
		Title: "the host does not see the container's mounts",
		File:  "02-namespaces/namespace/private_mine.go",
		Task: `Make every mount of this mount namespace private, so that mounts no longer
propagate between it and its peer on the host. One mount(2) with two flags does it; source, type
and data don't matter.`,
		Read:    []string{`mount_namespaces(7), "SHARED SUBTREES"`, "mount(2), MS_PRIVATE, MS_SLAVE, MS_REC"},
		Package: "02-namespaces/namespace", Run: "^TestMakePrivate$",
		Shows: "go run -tags mine ./02-namespaces mnt",
		Hints: []string{
			"A new mount namespace is a copy, but the copy of a shared mount stays in the " +
				"original's peer group. findmnt -o TARGET,PROPAGATION shows the propagation of " +
				"each mount.",
			"mount --make-private is one flag of mount(2), mount --make-rprivate is two. Which " +
				"mounts does the second flag reach?",
		},
		Diagnoses: []Diagnosis{
			{"not-recursive", func(s State) bool { return s.Facts["root"] == "private" && s.Facts["below"] != "private" },
				"/ is private, but the mounts below it are not: propagation is a property of " +
					"each single mount. One more flag applies the call to the whole tree."},
			{"another-flag", func(s State) bool { return s.Says("invalid argument") },
				"EINVAL: mount(2) either binds, moves, remounts, or changes propagation. A call " +
					"that changes propagation accepts one more flag, which says how far down it " +
					"reaches, and no other."},
			{"slave", func(s State) bool { return s.Facts["below"] == "slave" },
				"The mounts are slaves now: they propagate nothing to the host, but mounts of " +
					"the host still appear here."},
			{"still-shared", func(s State) bool { return s.Facts["root"] == "shared" },
				"/ is still shared, as before the call. A mount created now would appear on the " +
					"host."},
		},
	},
	{
		Stage: "02-namespaces", Name: "idmap", Step: "user",
		Title: "root inside maps to another UID on the host",
		File:  "02-namespaces/namespace/idmap_mine.go",
		Task: `A process has just started in a new user namespace, and waits. Give the kernel its
ID maps: write uid_map, setgroups ("allow" or "deny", by s.Setgroups) and gid_map in the
process's /proc directory. Write each in one piece, and setgroups before gid_map. p.Write writes
a file there; the function lines makes the text of a map.`,
		Read:    []string{`user_namespaces(7), "Defining user and group ID mappings", "The /proc/pid/setgroups file"`},
		Package: "02-namespaces/namespace", Run: "^TestWriteMaps$",
		Shows: "go test -tags mine -v -run TestWriteMaps ./02-namespaces/namespace",
		Hints: []string{
			"Without a map, every ID inside is nobody's. cat /proc/self/uid_map shows what a map " +
				"looks like: first ID inside, first ID outside, count.",
			"You write three files of the other process: /proc/PID/uid_map, /proc/PID/setgroups, " +
				"/proc/PID/gid_map. Each takes the whole text in one write, and a map can be " +
				"written only once. go doc procfs.Process.Write",
		},
		Diagnoses: []Diagnosis{
			{"own-map", func(s State) bool { return s.Says("/proc/self/") },
				"That is our own map, which the kernel wrote long ago: it can be written only " +
					"once. The process that waits is p."},
			{"swapped", func(s State) bool {
				want, got := strings.Fields(s.Expected), strings.Fields(s.Got)
				return len(want) == 3 && len(got) == 3 && want[0] == got[1] && want[1] == got[0]
			},
				"Inside and outside are the wrong way round: a line begins with the ID inside."},
			{"one-map-twice", func(s State) bool {
				uids, gids := s.Facts["uid_map"], s.Facts["gid_map"]
				return uids != "" && uids == s.Facts["s.GIDs"] || gids != "" && gids == s.Facts["s.UIDs"]
			},
				"One map holds what belongs in the other: uid_map comes from s.UIDs, gid_map " +
					"from s.GIDs. Often both hold the same numbers, which hides the mistake."},
			{"not-as-asked", func(s State) bool { return s.Says("operation not permitted") },
				"EPERM: the kernel refuses this map. Does it map what s.UIDs and s.GIDs say? " +
					"Does your code write setgroups before gid_map?"},
			{"no-gid-map", func(s State) bool { return s.Facts["uid_map"] != "" && s.Facts["gid_map"] == "" },
				"/proc/PID/uid_map is written, but /proc/PID/gid_map is still empty. Groups have " +
					"their own map, and without it every group inside is nogroup."},
			{"groups", func(s State) bool { return strings.Contains(s.Claim, "groups can be set inside") },
				"Your code writes the same setgroups whatever s.Setgroups says. Where groups " +
					"can't be allowed, the kernel refuses gid_map, and the caller should get " +
					"that error."},
			{"no-uid-map", func(s State) bool { return s.Facts["uid_map"] == "" },
				"/proc/PID/uid_map is still empty: inside, every user is nobody, and root has no " +
					"privileges."},
		},
	},
	{
		Stage: "02-namespaces", Name: "offsets", Step: "time",
		Title: "the container's uptime starts again",
		File:  "02-namespaces/namespace/offsets_mine.go",
		Task: `Set the two clocks of the time namespace that our next children will be in: write
both offsets to /proc/self/timens_offsets. One write can hold both lines. The function offset
makes the line for a clock: "monotonic" or "boottime".`,
		Read:    []string{"time_namespaces(7)"},
		Package: "02-namespaces/namespace", Run: "^TestWriteTimeOffsets$",
		Shows: "go run -tags mine ./02-namespaces time",
		Hints: []string{
			"unshare(CLONE_NEWTIME) has created the namespace, but no process is in it yet. cat " +
				"/proc/self/timens_offsets shows what the file says now.",
			"Two lines, each with the name of a clock, seconds and nanoseconds. Programs measure " +
				"durations with one of the clocks; uptime reads the other.",
		},
		Diagnoses: []Diagnosis{
			{"one-clock", func(s State) bool {
				return strings.Contains(s.Facts["offsets"], "monotonic 0 0") != strings.Contains(s.Facts["offsets"], "boottime 0 0")
			},
				"One of the two clocks has no offset yet: uptime reads boottime, programs that " +
					"measure durations read monotonic."},
			{"exchanged", func(s State) bool { return strings.Contains(s.Facts["offsets"], "monotonic 3600") },
				"Each clock has the other's offset."},
			{"units", func(s State) bool { return s.Says("numerical result out of range", "invalid argument") },
				"The kernel rejects these numbers. The second field of a line counts seconds, " +
					"the third nanoseconds below a second. A time.Duration counts nanoseconds."},
			{"nothing-written", func(s State) bool { return strings.Contains(s.Facts["offsets"], "monotonic 0 0 boottime 0 0") },
				"Both offsets are still zero: your code wrote nothing to " +
					"/proc/self/timens_offsets."},
		},
	},
	{
		Stage: "02-namespaces", Name: "setns", Step: "join",
		Title: "a thread joins a running process's namespaces, as docker exec does",
		File:  "02-namespaces/namespace/setns_mine.go",
		Task: `Move the calling thread into namespaces of the process p: call setns(2) with its
pidfd (p.PidFD) and the set as the flags. A thread can join a mount namespace only if it shares
its root and working directory with no other thread: unshare CLONE_FS first if s has Mount.`,
		Read:    []string{"setns(2)", "pidfd_open(2)", "unshare(2), CLONE_FS"},
		Package: "02-namespaces/namespace", Run: "^TestSetns$",
		Shows: "go run -tags mine ./02-namespaces join",
		Hints: []string{
			"Compare ls -l /proc/self/ns and /proc/PID/ns: after Join the numbers of the " +
				"namespaces in s must be the same.",
			"Since Linux 5.8 setns takes a file descriptor of a process (a pidfd), and the " +
				"CLONE_NEW… flags of all the namespaces to join at once. A Set consists of those " +
				"flags.",
		},
		Diagnoses: []Diagnosis{
			{"no-kinds", func(s State) bool {
				return s.Says("invalid argument") && s.Facts["root and working directory"] == "its own"
			},
				"EINVAL, although the thread has its own root and working directory, so it must " +
					"be the flags. With a pidfd, setns needs the kinds of namespaces to join, " +
					"and 0 names none."},
			{"shared-fs", func(s State) bool { return s.Says("invalid argument") },
				"EINVAL: all threads of a Go program share one root and one working directory, " +
					"and such a thread can't join another mount namespace. See CLONE_FS in " +
					"unshare(2)."},
			{"not-all", func(s State) bool { return s.Facts["joined"] != "" && s.Facts["not joined"] != "" },
				"Some namespaces are the other process's, the rest are still ours. With a pidfd, " +
					"setns joins the kinds in its flags, and no others."},
			{"nothing-joined", func(s State) bool { return s.Facts["joined"] == "" },
				"No namespace has changed. Whose file descriptor did setns get? A thread that " +
					"joins its own namespaces stays where it is."},
		},
	},
}
