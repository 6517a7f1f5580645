package exercise

import "strings"

var stage01 = []Exercise{
	{
		Stage: "01-cgroups", Name: "limit", Step: "hierarchy",
		Title: "a limit is written, or it is said why not",
		File:  "01-cgroups/cgroup/write_mine.go",
		Task: `Everything in a cgroup is done by writing to files: write data to the file at path, in one write(2). A file that is not
there must not be made: it means that its controller is missing. An error is a *WriteError
(cgroup.go) with path, data and the errno.`,
		Read:    []string{"cgroups(7)", "open(2), O_CREAT", "write(2)", "Documentation/admin-guide/cgroup-v2.rst"},
		Package: "01-cgroups/cgroup", Run: "^TestWrite(Limit)?$",
		Shows: "go test -tags mine -v -run TestWriteLimit ./01-cgroups/cgroup",
		Hints: []string{
			"By hand it is: echo 20 > pids.max. Which flags does the shell open the file with, and which of them do you not want?",
			"unix.Open, unix.Write and unix.Close are the three calls. os.WriteFile opens with O_CREAT and O_TRUNC.",
			"errors.Is finds the errno in a *WriteError through its Unwrap; so put the kernel's error into Err as it is.",
		},
		Diagnoses: []Diagnosis{
			{"creates", func(s State) bool { return s.Facts["created"] == "true" },
				"A file that was missing has been created, as O_CREAT does. In a directory of cgroups the kernel would refuse (EPERM or EACCES), and you would take the wrong error for the cause."},
			{"swallows", func(s State) bool { return s.Facts["file"] == "a-limit" && s.Facts["refused"] == "<nil>" },
				"The write works, but when it cannot, nothing is said: a limit that is not in force must be an error."},
			{"bare-error", func(s State) bool { return strings.Contains(s.Claim, "says what was written where") },
				"The errno is there, but not what was written where, and the kernel explains nothing else. See WriteError, in cgroup.go."},
			{"something-else", func(s State) bool { return s.Facts["file"] != "" && s.Facts["file"] != "a-limit" },
				"The file says something else than what was to be written: is data what is written, all of it, once?"},
		},
	},
	{
		Stage: "01-cgroups", Name: "readback", Step: "pids",
		Title: "a limit is in force, or the load never starts",
		File:  "01-cgroups/cgroup/readback_mine.go",
		Task: `Write s.data to the file at path, as in the exercise before. Then ask the kernel what it has made of it: read(path)
returns what the file says now, and s.holds tells whether that is what was asked for. If it is not, that is an error, which
says what was written, where, and what the kernel says.`,
		Read:    []string{"cgroups(7)", "Documentation/admin-guide/cgroup-v2.rst, \"Interface Files\"", "proc_pid_comm(5)"},
		Package: "01-cgroups/cgroup", Run: "^TestPut(Limit)?$",
		Shows: "go test -tags mine -v -run TestPut ./01-cgroups/cgroup",
		Hints: []string{
			"By hand it is: echo 20 > pids.max; cat pids.max. A write that succeeds means that the kernel has read it, not that it has taken all of it.",
			"Two functions of this package are all that you need for the file, one for each direction, and one method of setting decides.",
		},
		Diagnoses: []Diagnosis{
			{"not-written", func(s State) bool { return s.Facts["form"] != "" && s.Facts["form"] != "00000007" },
				"The file says what it said before: nothing has been written to path."},
			{"too-literal", func(s State) bool {
				return s.Facts["cut"] != "<nil>" && (s.Facts["other form"] != "<nil>" && s.Facts["other form"] != "" || s.Facts["memory.max"] == "67108864")
			}, "The limit is in force, and you call it an error: the kernel rounds to whole pages and has a form of its own for lists. Comparing the text is not enough; who knows better?"},
			{"not-read-back", func(s State) bool { return s.Facts["cut"] == "<nil>" },
				"The kernel has taken a part of what was written, and nobody has noticed: what does the file say afterwards?"},
			{"bare-error", func(s State) bool { return strings.Contains(s.Claim, "says what was written") },
				"You have noticed that the limit is not in force, and whoever reads the error cannot tell which: it names what was written, the file, and what the kernel says."},
			{"swallows", func(s State) bool { return s.Facts["refused"] == "<nil>" },
				"The file could not be written, and nothing is said of it."},
		},
	},
	{
		Stage: "01-cgroups", Name: "join", Step: "hierarchy",
		Title: "a process that puts itself under the limit",
		File:  "01-cgroups/cgroup/join_mine.go",
		Task: `Join the groups whose files are open: write the number of the process that shall join to each of them. "0" stands for
whoever writes. An error says which file it was: it is a *WriteError (cgroup.go), or wraps one.`,
		Read:    []string{`cgroups(7), "Moving a process to a cgroup"`, "Documentation/admin-guide/cgroup-v1/cgroups.rst, 1.2"},
		Package: "01-cgroups/cgroup", Run: "^TestJoinSelf(Files)?$",
		Shows: "go run -tags mine ./01-cgroups hierarchy",
		Hints: []string{
			"By hand it is: echo $$ > cgroup.procs. The files are open already: write to their descriptors.",
			"On v1 every tree has its own file, and a process is in one group of each tree. How many files must be written to?",
		},
		Diagnoses: []Diagnosis{
			{"by-name", func(s State) bool { return s.Says("no such file or directory") },
				"ENOENT: you opened the file anew, by its name, and the name leads nowhere here. In a container's root the host's cgroup files are out of sight: what there is is the descriptor."},
			{"error", func(s State) bool {
				return strings.Contains(s.Claim, "writes to the opened files") || s.Facts["groups"] == "0" && s.Facts["wrote"] != ""
			}, "No process has that name. The kernel says ESRCH if there is none of that number, EINVAL if it is no number. Which one stands for the writer?"},
			{"swallows", func(s State) bool { return strings.Contains(s.Claim, "cannot be joined") },
				"A group was not joined, and nobody is told: the process would go on without a limit."},
			{"bare-error", func(s State) bool { return strings.Contains(s.Claim, "says what was written where") },
				"The errno is there, but not what was written where. See WriteError, in cgroup.go."},
			{"nobody", func(s State) bool { return s.Facts["groups"] == "0" },
				"The process is still where it was: nothing, or nobody's number, was written to the files."},
			{"not-everywhere", func(s State) bool { return s.Facts["groups"] != s.Facts["wanted"] },
				"It is in some of the groups and not in the others: there it is not limited. Each file stands for another tree, or another group."},
		},
	},
	{
		Stage: "01-cgroups", Name: "stop", Step: "kill",
		Title: "a fork bomb is stopped, with all its children",
		File:  "01-cgroups/cgroup/stop_mine.go",
		Task: `Kill every process in the group dir, and in the groups below it; your caller has frozen them. procs(file) reads the numbers from a cgroup.procs,
children(dir) lists the groups below. A process that has gone already is no error. The number 0 stands for a process that
we cannot see: leave it alone, for kill(0) would hit ourselves.`,
		Read:    []string{"kill(2)", "signal(7)", `cgroups(7), "/sys/fs/cgroup/…/cgroup.procs"`},
		Package: "01-cgroups/cgroup", Run: "^TestKillOneByOne(Files)?$",
		Shows: "go run -tags mine ./01-cgroups pids kill",
		Hints: []string{
			"The group knows who is in it: its file cgroup.procs. No parent, no session and no name has to be followed.",
			"Which signal can be neither caught nor ignored? And who may be in a group that lies below this one?",
		},
		Diagnoses: []Diagnosis{
			{"ourselves", func(s State) bool { return s.Facts["killer"] != "<nil>" && s.Facts["killer"] != "" },
				"Who killed is dead too. A number was in the list that is nobody's: what does kill(2) do with 0?"},
			{"gone", func(s State) bool { return strings.Contains(s.Claim, "has gone already") },
				"Somebody had gone before he was killed (ESRCH). That is what you want, so it is no error, and no reason to spare the others."},
			{"politely", func(s State) bool { return s.Facts["left"] != "0" && s.Facts["left below"] != "0" },
				"Processes are left everywhere: they ignore SIGTERM, SIGINT and SIGHUP. Was anything sent, and was it the signal that nobody can ignore?"},
			{"not-below", func(s State) bool { return s.Facts["left"] == "0" && s.Facts["left below"] != "0" },
				"The group itself is empty, the one below is not: its processes are listed in its own cgroup.procs."},
			{"only-below", func(s State) bool { return s.Facts["left"] != "0" && s.Facts["left below"] == "0" },
				"The groups below are empty, and this one is not."},
		},
	},
}
