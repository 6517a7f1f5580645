package exercise

import "strings"

var stage02 = []Exercise{
	{
		Stage: "02-namespaces", Name: "flags", Step: "pid",
		Title: "a process that is born in namespaces of its own",
		File:  "02-namespaces/namespace/fill_mine.go",
		Task: `Fill in what os/exec shall ask clone(2) for: the namespaces of s.New, besides those that a asks for already. If User is
among them, also who is who (UidMappings and GidMappings; the function sys makes them of s.UIDs and s.GIDs), whether groups
may be set inside (s.Setgroups), and that the process becomes user and group 0 in there (Credential).`,
		Read:    []string{"clone(2), CLONE_NEWPID and its relatives", "namespaces(7)", "user_namespaces(7)", "go doc syscall.SysProcAttr"},
		Package: "02-namespaces/namespace", Run: "^TestFill$",
		Shows: "go run -tags mine ./02-namespaces ipc",
		Hints: []string{
			"A Set is a set of flags of clone(2). Which field of syscall.SysProcAttr takes them, and what may stand there already?",
			"A process in a new user namespace is nobody until maps say who it is. And a user other than 0 has no capability left when execve(2) is done.",
			"Five fields of syscall.SysProcAttr are about it: go doc syscall.SysProcAttr. Without User among the kinds, one is enough.",
		},
		Diagnoses: []Diagnosis{
			{"late", func(s State) bool { return s.Facts["unshare flags"] != "0" && s.Facts["unshare flags"] != "" },
				"The process is born outside and unshares later: with its old process number, and it is not number 1. It is to be born inside."},
			{"overwrites", func(s State) bool { return s.Facts["flags before"] == "lost" },
				"a asked for another namespace before (here ipc), and that is gone: flags are added."},
			{"no-flags", func(s State) bool { return s.Facts["clone flags"] == "ipc" },
				"Only what a asked for before is asked for: none of the kinds of s.New."},
			{"always", func(s State) bool { return strings.Contains(s.Claim, "without User") },
				"With User it is right. Without User there is no map to write and nobody to become: the process stays who it is."},
			{"nobody", func(s State) bool { return s.Facts["maps"] != "uid gid" },
				"Without a map for users and one for groups, the process is nobody (65534) in its own eyes."},
			{"one-map-twice", func(s State) bool {
				users, groups := s.Facts["a second map for users"], s.Facts["a second map for groups"]
				return users != "[]" && users == groups || users == "[{4 5 6}]"
			},
				"Users and groups have got the same map, or each has the other's. UidMappings is about s.UIDs, GidMappings about s.GIDs; that they often hold the same numbers hides it."},
			{"groups", func(s State) bool { return s.Facts["groups may be set"] == "true" },
				"s.Setgroups is false, and you let groups be set inside: an ordinary user gets EPERM for that. Which field of SysProcAttr is about it?"},
			{"groups-denied", func(s State) bool { return s.Facts["groups may be set if asked for"] == "false" },
				"s.Setgroups asks for groups that can be set inside, and you leave that out: os/exec then writes \"deny\" to /proc/PID/setgroups, and programs such as apt and su fail inside. Which field of SysProcAttr is about it?"},
			{"powerless", func(s State) bool { return s.Facts["credential"] != "0 0" },
				"Nobody has told the process to become user 0 and group 0 inside. Unless it happens to be, it has no capability left after execve."},
		},
	},
	{
		Stage: "02-namespaces", Name: "hostname", Step: "uts",
		Title: "a hostname of its own",
		File:  "02-namespaces/namespace/hostname_mine.go",
		Task: `Set the hostname of the UTS namespace that the calling process is in. One system call; the error should tell
which one failed (os.NewSyscallError).`,
		Read:    []string{"uts_namespaces(7)", "sethostname(2)"},
		Package: "02-namespaces/namespace", Run: "^TestSetHostname$",
		Shows: "go run -tags mine ./02-namespaces uts",
		Hints: []string{
			"Which namespace isolates the hostname, and which system call changes it? uts_namespaces(7) names both.",
			"golang.org/x/sys/unix has a function for every system call, under its name: unix.Getpid is getpid(2). This one takes bytes, and its length is theirs.",
		},
		Diagnoses: []Diagnosis{
			{"swallows", func(s State) bool { return s.Claim == "a name that the kernel does not take is an error" },
				"The kernel did not take a name that is too long (EINVAL), and your function says nothing of it."},
			{"bare-error", func(s State) bool { return s.Claim == "the error names the system call" },
				"The error holds the errno alone. \"invalid argument\" does not say which call failed; os.NewSyscallError adds the name and keeps the errno."},
			{"domain", func(s State) bool { return s.Facts["domain inside"] == `"inside.example"` },
				"The domain name was set. A UTS namespace holds two names, the hostname and the NIS domain name, each with a call of its own."},
			{"more-than-the-name", func(s State) bool {
				return s.Facts["hostname inside"] != `"inside.example"` && strings.HasPrefix(s.Facts["hostname inside"], `"inside.example`)
			}, "The name is set, and something stands behind it: the kernel takes each byte that it gets, a newline or a NUL too."},
			{"unchanged", func(s State) bool { return s.Facts["hostname inside"] == s.Facts["hostname outside"] },
				"Inside, uname(2) still says the host's name: no hostname has been set."},
		},
	},
	{
		Stage: "02-namespaces", Name: "private", Step: "mnt",
		Title: "mounts that the host does not see",
		File:  "02-namespaces/namespace/private_mine.go",
		Task: `Make every mount of this mount namespace private, so that none passes mounts on to its twin on the host or receives
some from there. One mount(2), with two flags; source, type and data do not matter.`,
		Read:    []string{`mount_namespaces(7), "SHARED SUBTREES"`, "mount(2), MS_PRIVATE, MS_SLAVE, MS_REC"},
		Package: "02-namespaces/namespace", Run: "^TestMakePrivate$",
		Shows: "go run -tags mine ./02-namespaces mnt",
		Hints: []string{
			"A new mount namespace is a copy, and the copy of a shared mount stays tied to the original. findmnt -o TARGET,PROPAGATION shows the ties.",
			"mount --make-private is one flag of mount(2), mount --make-rprivate two. Which mounts does the second flag reach?",
		},
		Diagnoses: []Diagnosis{
			{"not-recursive", func(s State) bool { return s.Facts["root"] == "private" && s.Facts["below"] != "private" },
				"/ is private, and what is mounted below it is not: propagation is a property of each single mount. One more flag makes the call go down the tree."},
			{"another-flag", func(s State) bool { return s.Says("invalid argument") },
				"EINVAL: mount(2) either binds, or moves, or remounts, or changes propagation. In a call that changes propagation it accepts one more flag, which says how far down, and none of the others."},
			{"slave", func(s State) bool { return s.Facts["below"] == "slave" },
				"The mounts are slaves now: they pass nothing on, but what the host mounts still appears here."},
			{"still-shared", func(s State) bool { return s.Facts["root"] == "shared" },
				"/ is still shared, as it was before the call: a mount made now would show up on the host."},
		},
	},
	{
		Stage: "02-namespaces", Name: "idmap", Step: "user",
		Title: "root inside is somebody else outside",
		File:  "02-namespaces/namespace/idmap_mine.go",
		Task: `A process has just started in a new user namespace, and waits. Tell the kernel its ID maps: write uid_map,
setgroups ("allow" or "deny", by s.Setgroups) and gid_map in the process's directory of /proc, each in one piece, setgroups before
gid_map. p.Write writes a file there. The function lines makes the text of a map.`,
		Read:    []string{`user_namespaces(7), "Defining user and group ID mappings", "The /proc/pid/setgroups file"`},
		Package: "02-namespaces/namespace", Run: "^TestWriteMaps$",
		Shows: "go test -tags mine -v -run TestWriteMaps ./02-namespaces/namespace",
		Hints: []string{
			"Without a map, every ID inside is that of nobody. cat /proc/self/uid_map shows what a map looks like: first ID inside, first ID outside, how many.",
			"Three files of the other process: /proc/PID/uid_map, /proc/PID/setgroups, /proc/PID/gid_map. Each takes one write, whole, and a map only once. go doc procfs.Process.Write",
		},
		Diagnoses: []Diagnosis{
			{"own-map", func(s State) bool { return s.Says("/proc/self/") },
				"That is our own map, which the kernel wrote long ago: it can be written once only. The process that waits is p."},
			{"swapped", func(s State) bool {
				want, got := strings.Fields(s.Expected), strings.Fields(s.Got)
				return len(want) == 3 && len(got) == 3 && want[0] == got[1] && want[1] == got[0]
			}, "Inside and outside are the wrong way round: a line begins with the ID inside."},
			{"one-map-twice", func(s State) bool {
				uids, gids := s.Facts["uid_map"], s.Facts["gid_map"]
				return uids != "" && uids == s.Facts["s.GIDs"] || gids != "" && gids == s.Facts["s.UIDs"]
			},
				"One map holds what belongs in the other: uid_map is made of s.UIDs, gid_map of s.GIDs. That they often hold the same numbers hides it."},
			{"not-as-asked", func(s State) bool { return s.Says("operation not permitted") },
				"EPERM: the kernel refuses this map to us. Does it map what s.UIDs and s.GIDs say, and is setgroups written before gid_map?"},
			{"no-gid-map", func(s State) bool { return s.Facts["uid_map"] != "" && s.Facts["gid_map"] == "" },
				"/proc/PID/uid_map is written, /proc/PID/gid_map is still empty: groups have a map of their own, and without it every group inside is nogroup."},
			{"groups", func(s State) bool { return strings.Contains(s.Claim, "groups can be set inside") },
				"setgroups says the same whatever s.Setgroups is. Where groups cannot be allowed, the kernel refuses gid_map, and the caller should hear that."},
			{"no-uid-map", func(s State) bool { return s.Facts["uid_map"] == "" },
				"/proc/PID/uid_map is still empty: inside, everybody is nobody, and root has no power."},
		},
	},
	{
		Stage: "02-namespaces", Name: "offsets", Step: "time",
		Title: "an uptime that starts again",
		File:  "02-namespaces/namespace/offsets_mine.go",
		Task: `Set the two clocks of the time namespace that our next children will be in: write both offsets to
/proc/self/timens_offsets; one write can hold both lines. The function offset makes a line for a clock: "monotonic" or "boottime".`,
		Read:    []string{"time_namespaces(7)"},
		Package: "02-namespaces/namespace", Run: "^TestWriteTimeOffsets$",
		Shows: "go run -tags mine ./02-namespaces time",
		Hints: []string{
			"unshare(CLONE_NEWTIME) has made the namespace, but nobody is inside. cat /proc/self/timens_offsets shows what it says now.",
			"Two lines, each with the name of a clock, seconds and nanoseconds. Two clocks: one is what programs measure durations with, the other is what uptime reads.",
		},
		Diagnoses: []Diagnosis{
			{"one-clock", func(s State) bool {
				return strings.Contains(s.Facts["offsets"], "monotonic 0 0") != strings.Contains(s.Facts["offsets"], "boottime 0 0")
			}, "One of the two clocks has no offset yet: uptime reads boottime, programs that measure durations read monotonic."},
			{"exchanged", func(s State) bool { return strings.Contains(s.Facts["offsets"], "monotonic 3600") },
				"Each clock has the other's offset."},
			{"units", func(s State) bool { return s.Says("numerical result out of range", "invalid argument") },
				"The kernel cannot take these numbers: the second field of a line counts seconds, the third nanoseconds below a second. A time.Duration counts nanoseconds."},
			{"nothing-written", func(s State) bool { return strings.Contains(s.Facts["offsets"], "monotonic 0 0 boottime 0 0") },
				"Both offsets are still zero. Nothing has been written to /proc/self/timens_offsets."},
		},
	},
	{
		Stage: "02-namespaces", Name: "setns", Step: "join",
		Title: "into the namespaces of a running process, as docker exec does",
		File:  "02-namespaces/namespace/setns_mine.go",
		Task: `Move the calling thread into namespaces of the process p: call setns(2) with its pidfd (p.PidFD) and the set as the
flags. A mount namespace can be entered only by a thread that shares its root and working directory with no other: unshare
CLONE_FS first if s has Mount.`,
		Read:    []string{"setns(2)", "pidfd_open(2)", "unshare(2), CLONE_FS"},
		Package: "02-namespaces/namespace", Run: "^TestSetns$",
		Shows: "go run -tags mine ./02-namespaces join",
		Hints: []string{
			"ls -l /proc/self/ns and /proc/PID/ns: after Join the numbers of the kinds in s must be the same.",
			"Since Linux 5.8 setns takes a descriptor of a process (a pidfd), and the CLONE_NEW… flags of all the kinds to enter at once. A Set is made of those flags.",
		},
		Diagnoses: []Diagnosis{
			{"no-kinds", func(s State) bool {
				return s.Says("invalid argument") && s.Facts["root and working directory"] == "its own"
			},
				"EINVAL, although the thread has a root and a working directory of its own: then it is about the flags. With a pidfd, setns wants to hear which kinds of namespaces are meant, and 0 is none."},
			{"shared-fs", func(s State) bool { return s.Says("invalid argument") },
				"EINVAL: all threads of a Go program share one root and one working directory, and a thread that does cannot enter another mount namespace. See CLONE_FS in unshare(2)."},
			{"not-all", func(s State) bool { return s.Facts["joined"] != "" && s.Facts["not joined"] != "" },
				"Some kinds are the other process's, the rest are still ours. setns with a pidfd enters all the kinds of its flags, and no other."},
			{"nothing-joined", func(s State) bool { return s.Facts["joined"] == "" },
				"No namespace has changed. Whose descriptor did setns get? Nobody moves by entering his own."},
		},
	},
}
