package exercise

import "strings"

var stage01 = []Exercise{
	{
		Stage: "01-cgroups", Name: "limit", Step: "hierarchy",
		Title: "a limit is written, or the error says why not",
		File:  "01-cgroups/cgroup/write_mine.go",
		Task: `Every operation on a cgroup is a write to a file. Write data to the file at path,
in one write(2). Don't create a file that is missing: it means that its controller is missing.
Return errors as a *WriteError (cgroup.go) with path, data and the errno.`,
		Read:    []string{"cgroups(7)", "open(2), O_CREAT", "write(2)", "Documentation/admin-guide/cgroup-v2.rst"},
		Package: "01-cgroups/cgroup", Run: "^TestWrite(Limit)?$",
		Shows: "go test -tags mine -v -run TestWriteLimit ./01-cgroups/cgroup",
		Hints: []string{
			"By hand: echo 20 > pids.max. Which flags does the shell open the file with? Which " +
				"of them do you not want here?",
			"You need three calls: unix.Open, unix.Write and unix.Close. os.WriteFile opens with " +
				"O_CREAT and O_TRUNC.",
			"errors.Is finds the errno in a *WriteError through its Unwrap method. So put the " +
				"kernel's error into Err unchanged.",
		},
		Diagnoses: []Diagnosis{
			{"creates", func(s State) bool { return s.Facts["created"] == "true" },
				"Your code created a file that was missing, as O_CREAT does. In a cgroup " +
					"directory the kernel would refuse that with EPERM or EACCES, and this error " +
					"would hide the real cause."},
			{"swallows", func(s State) bool { return s.Facts["file"] == "a-limit" && s.Facts["refused"] == "<nil>" },
				"The write works, but when it fails, your function returns no error. A limit " +
					"that isn't in force must be an error."},
			{"bare-error", func(s State) bool { return strings.Contains(s.Claim, "says what was written where") },
				"The error holds the errno, but not what was written to which file. The kernel " +
					"explains nothing else. See WriteError in cgroup.go."},
			{"something-else", func(s State) bool { return s.Facts["file"] != "" && s.Facts["file"] != "a-limit" },
				"The file doesn't contain what it should. Does your code write data, all of it, " +
					"exactly once?"},
		},
	},
	{
		Stage: "01-cgroups", Name: "readback", Step: "pids",
		Title: "a limit is in force, or the load never starts",
		File:  "01-cgroups/cgroup/readback_mine.go",
		Task: `Write s.data to the file at path, as in the exercise before. Then check what the
kernel made of it: read(path) returns what the file says now, and s.holds reports whether that is
what was asked for. If it isn't, return an error that names what was written, the file, and what
the kernel says.`,
		Read:    []string{"cgroups(7)", "Documentation/admin-guide/cgroup-v2.rst, \"Interface Files\"", "proc_pid_comm(5)"},
		Package: "01-cgroups/cgroup", Run: "^TestPut(Limit)?$",
		Shows: "go test -tags mine -v -run TestPut ./01-cgroups/cgroup",
		Hints: []string{
			"By hand: echo 20 > pids.max; cat pids.max. A successful write means that the kernel " +
				"has read the value, not that it accepted all of it.",
			"Two functions of this package do all the file access, one for each direction. One " +
				"method of setting decides.",
		},
		Diagnoses: []Diagnosis{
			{"not-written", func(s State) bool { return s.Facts["form"] != "" && s.Facts["form"] != "00000007" },
				"The file still says what it said before: your code wrote nothing to path."},
			{"too-literal", func(s State) bool {
				return s.Facts["cut"] != "<nil>" && (s.Facts["other form"] != "<nil>" && s.Facts["other form"] != "" || s.Facts["memory.max"] == "67108864")
			},
				"The limit is in force, but you return an error. The kernel rounds to whole " +
					"pages and writes lists in its own form, so comparing the text isn't enough. " +
					"Which method of setting knows better?"},
			{"not-read-back", func(s State) bool { return s.Facts["cut"] == "<nil>" },
				"The kernel accepted only a part of what was written, and your code didn't " +
					"notice. What does the file say afterwards?"},
			{"bare-error", func(s State) bool { return strings.Contains(s.Claim, "says what was written") },
				"Your code notices that the limit isn't in force, but its error doesn't say " +
					"which limit. Name what was written, the file, and what the kernel says."},
			{"swallows", func(s State) bool { return s.Facts["refused"] == "<nil>" },
				"The file couldn't be written, and your function returns no error."},
		},
	},
	{
		Stage: "01-cgroups", Name: "join", Step: "hierarchy",
		Title: "a process puts itself under the limit",
		File:  "01-cgroups/cgroup/join_mine.go",
		Task: `Join the cgroups whose files are open: write the PID of the process that should
join to each file. "0" stands for the process that writes. An error must name the file: return a
*WriteError (cgroup.go), or an error that wraps one.`,
		Read:    []string{`cgroups(7), "Moving a process to a cgroup"`, "Documentation/admin-guide/cgroup-v1/cgroups.rst, 1.2"},
		Package: "01-cgroups/cgroup", Run: "^TestJoinSelf(Files)?$",
		Shows: "go run -tags mine ./01-cgroups hierarchy",
		Hints: []string{
			"By hand: echo $$ > cgroup.procs. The files are open already, so write to their file " +
				"descriptors.",
			"On cgroup v1 every hierarchy has its own file, and a process is in one cgroup of " +
				"each hierarchy. How many files must you write to?",
		},
		Diagnoses: []Diagnosis{
			{"by-name", func(s State) bool { return s.Says("no such file or directory") },
				"ENOENT: you opened the file again by its name, and here the name leads nowhere. " +
					"In a container's root the host's cgroup files are out of sight. What you " +
					"have is the open file descriptor."},
			{"error", func(s State) bool {
				return strings.Contains(s.Claim, "writes to the opened files") || s.Facts["groups"] == "0" && s.Facts["wrote"] != ""
			},
				"No process has the PID that you wrote. The kernel says ESRCH if no process has " +
					"this number, and EINVAL if the text isn't a number. Which number stands for " +
					"the writer?"},
			{"swallows", func(s State) bool { return strings.Contains(s.Claim, "cannot be joined") },
				"A cgroup couldn't be joined, and your function returns no error. The process " +
					"would go on without a limit."},
			{"bare-error", func(s State) bool { return strings.Contains(s.Claim, "says what was written where") },
				"The error holds the errno, but not what was written to which file. See " +
					"WriteError in cgroup.go."},
			{"nobody", func(s State) bool { return s.Facts["groups"] == "0" },
				"The process is still in its old cgroup. Your code wrote nothing to the files, " +
					"or a number that is no process's PID."},
			{"not-everywhere", func(s State) bool { return s.Facts["groups"] != s.Facts["wanted"] },
				"The process is in some of the cgroups but not in the others, so those don't " +
					"limit it. Each file belongs to another hierarchy or another cgroup."},
		},
	},
	{
		Stage: "01-cgroups", Name: "stop", Step: "kill",
		Title: "a fork bomb is killed, with all its children",
		File:  "01-cgroups/cgroup/stop_mine.go",
		Task: `Kill every process in the cgroup dir and in the cgroups below it; your caller has
frozen them. procs(file) reads the PIDs from a cgroup.procs file, and children(dir) lists the
cgroups below. A process that has already exited is no error. The number 0 stands for a process
that we can't see: skip it, because kill(0) would hit our own process group.`,
		Read:    []string{"kill(2)", "signal(7)", `cgroups(7), "/sys/fs/cgroup/…/cgroup.procs"`},
		Package: "01-cgroups/cgroup", Run: "^TestKillOneByOne(Files)?$",
		Shows: "go run -tags mine ./01-cgroups pids kill",
		Hints: []string{
			"The cgroup knows its processes: its file cgroup.procs lists them. You don't need to " +
				"follow parents, sessions or names.",
			"Which signal can a process neither catch nor ignore? And which processes can be in " +
				"a cgroup below this one?",
		},
		Diagnoses: []Diagnosis{
			{"ourselves", func(s State) bool { return s.Facts["killer"] != "<nil>" && s.Facts["killer"] != "" },
				"The process that ran your code was killed too. The list contains a number that " +
					"is no process's PID. What does kill(2) do with 0?"},
			{"gone", func(s State) bool { return strings.Contains(s.Claim, "has gone already") },
				"A process had exited before your code killed it (ESRCH). That is what you want, " +
					"so it is not an error, and no reason to spare the others."},
			{"politely", func(s State) bool { return s.Facts["left"] != "0" && s.Facts["left below"] != "0" },
				"Processes are left in every cgroup: they ignore SIGTERM, SIGINT and SIGHUP. Did " +
					"your code send a signal, and was it the one that no process can ignore?"},
			{"not-below", func(s State) bool { return s.Facts["left"] == "0" && s.Facts["left below"] != "0" },
				"The cgroup itself is empty, but the one below it is not. Its processes are " +
					"listed in its own cgroup.procs."},
			{"only-below", func(s State) bool { return s.Facts["left"] != "0" && s.Facts["left below"] == "0" },
				"The cgroups below are empty, but this one is not."},
		},
	},
}
