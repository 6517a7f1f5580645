package exercise

import (
	"slices"
	"strings"
)

// before reports whether part a comes before part b in an order, "a b c".
func before(order, a, b string) bool {
	parts := strings.Fields(order)
	i, j := slices.Index(parts, a), slices.Index(parts, b)
	return i >= 0 && j >= 0 && i < j
}

var stage05 = []Exercise{
	{
		Stage: "05-full", Name: "reaper", Step: "init",
		Title: "PID 1 reaps zombies and exits with the command's status",
		File:  "02-namespaces/initproc/reap_mine.go",
		Task: `Write a loop around unix.Wait4: each turn waits for any child. Orphans come and go
until the command itself has exited; then return its status. EINTR doesn't end the loop: a signal
came in between. If the command has only stopped, call wakeUp(pid, ws). This is the last piece
that a container lacks: when it is solved, the commands behind -- run on your own code, with your
own PID 1.`,
		Read:    []string{"wait4(2)", "waitpid(2)", "pid_namespaces(7), \"The namespace init process\""},
		Package: "02-namespaces/initproc", Run: "^(TestReapStatus|TestReapOrphans|TestReapStopped|TestReapInterrupted)$",
		Shows: "go run -tags mine ./04-network -- sh",
		Hints: []string{
			"A process that has exited stays in the process table, as a zombie, until its parent " +
				"has waited for it. Which process is the parent of an orphan in a PID namespace?",
			"wait4's first argument says which child it waits for: a PID for one child, and " +
				"another value for any of them. It returns the PID of the child.",
			"unix.WaitStatus knows whether a child has Exited, was Signaled or has Stopped, and " +
				"more about each. A shell reports termination by signal n as 128+n.",
		},
		Diagnoses: []Diagnosis{
			{"interrupted", func(s State) bool { return s.Says("interrupted system call") },
				"EINTR: a signal arrived while wait4 waited. PID 1 gets signals all the time, " +
					"because it forwards them. The command still runs, so the loop goes on."},
			{"first-child", func(s State) bool { return s.Facts["status of exit 4 after an orphan's exit 7"] == "7" },
				"You returned an orphan's status, 7, as the command's. The first child that " +
					"exits isn't always the command."},
			{"returns-early", func(s State) bool {
				v := s.Facts["status of exit 4 after an orphan's exit 7"]
				return v != "" && v != "4" && s.Facts["status of exit 3"] == "3"
			},
				"When an orphan exits first, the status is wrong: PID 1 exited when the orphan " +
					"did, and the kernel killed the command with it."},
			{"signal-lost", func(s State) bool {
				v := s.Facts["status after SIGKILL"]
				return s.Facts["status of exit 3"] == "3" && v != "" && v != "137"
			},
				"Signal 9 killed the command, and its status doesn't say so. A process that a " +
					"signal terminated has no exit status; see what WaitStatus knows."},
			{"stays-stopped", func(s State) bool { return s.Facts["state after three seconds"] != "" },
				"The command has stopped, as after Ctrl-Z, and nothing wakes it up: it has the " +
					"terminal, and no shell outside can run fg."},
			{"stop-is-no-end", func(s State) bool {
				v := s.Facts["status after a stop and exit 5"]
				return v != "" && v != "5"
			},
				"You returned when the command had only stopped. With WUNTRACED among the " +
					"options, wait4 reports that too: ask ws what happened before you take it " +
					"for an exit."},
			{"zombies", func(s State) bool { return s.Facts["zombies"] != "" && s.Facts["zombies"] != "0" },
				"Orphans that have exited stay in the process table as zombies while the command " +
					"runs: nothing waits for them. You wait only for the command's PID."},
			{"raw-status", func(s State) bool { return s.Facts["status of exit 3"] != "" && s.Facts["status of exit 3"] != "3" },
				"The command exited with 3, and you returned something else. wait4 fills in " +
					"several values in one number; WaitStatus takes it apart."},
		},
	},
	{
		Stage: "05-full", Name: "capabilities", Step: "walls",
		Title: "root inside keeps Docker's capabilities, and no call brings the others back",
		File:  "05-full/container/capabilities_mine.go",
		Task: `Use package capability: load the calling thread's sets (NewPid2 of 0), clear all of
them, set those of Kept (walls.go) where they should stay, and Apply. CAPS stands for the
effective, permitted and inheritable sets, BOUNDS for the bounding set, AMBS for the ambient set.
The inheritable and the ambient set stay empty.`,
		Read:    []string{"capabilities(7)", "go doc github.com/moby/sys/capability Capabilities"},
		Package: "05-full/container", Run: "^TestKeepCapabilities$",
		Shows: "go test -tags mine -v -run '^TestKeepCapabilities' ./05-full/container",
		Hints: []string{
			"A thread has five sets. Find in capabilities(7) what each is for, and which formula " +
				"gives a program its sets at execve(2).",
			"Clear and Set change only the program's copy in memory. Apply passes to the kernel " +
				"the sets that you name there, and no others.",
			"A program that root executes gets everything in the bounding set, whatever root had " +
				"before.",
		},
		Diagnoses: []Diagnosis{
			{"not-effective", func(s State) bool { return s.Says("operation not permitted") },
				"EPERM: the kernel refuses a combination. An effective capability must be " +
					"permitted. To drop from the bounding set, the thread must still have " +
					"CAP_SETPCAP. An inheritable capability must be in the bounding set."},
			{"not-applied", func(s State) bool {
				return s.Facts["CapEff"] != "" && s.Facts["CapEff"] == s.Facts["before"] && s.Facts["CapBnd"] == s.Facts["before"] && s.Got == s.Facts["before"]
			},
				"The kernel's sets are unchanged. You changed only this program's copy of them."},
			{"effective-left", func(s State) bool {
				return s.Facts["CapEff"] != "" && s.Facts["CapEff"] == s.Facts["before"] && s.Facts["CapBnd"] == s.Facts["kept"]
			},
				"The bounding set is small, but this thread can still use every capability. " +
					"Clear knows groups of sets: CAPS, BOUNDS and AMBS. For less than a group it " +
					"clears nothing, and returns no error."},
			{"nothing-left", func(s State) bool { return s.Facts["CapEff"] == "0000000000000000" },
				"No capability is left: not even chown works for this root. The sets that you " +
					"apply must hold the capabilities of Kept."},
			{"permitted-left", func(s State) bool {
				return s.Facts["CapEff"] == s.Facts["kept"] && s.Facts["CapPrm"] != s.Facts["kept"]
			},
				"Only the effective set is small. What is still permitted can become effective " +
					"again with one call."},
			{"bounding-left", func(s State) bool {
				return s.Facts["CapEff"] == s.Facts["kept"] && s.Facts["CapBnd"] == s.Facts["before"]
			},
				"This thread has only what is kept. But look at CapEff of the program that it " +
					"started as root: every capability is back. One set limits what execve(2) " +
					"can give, and it is as large as before."},
			{"handed-on", func(s State) bool {
				return strings.Contains(s.Claim, "inheritable") || strings.Contains(s.Claim, "ambient")
			},
				"Root's own sets are right, but inheritable and ambient capabilities are for " +
					"other programs: one that runs as an ordinary user inside would have " +
					"capabilities too. Container engines had this bug: CVE-2022-24769."},
			{"bounding-empty", func(s State) bool { return s.Facts["CapBnd"] == "0000000000000000" },
				"The bounding set is empty, so a program that root executes gets nothing, not " +
					"even the capabilities of Kept."},
		},
	},
	{
		Stage: "05-full", Name: "assembly", Step: "assemble",
		Title: "twelve parts in the right order make a container",
		File:  "05-full/container/order_mine.go",
		Task: `Return all twelve parts in an order in which each can be done, and none undoes what
another did. config.go lists them; Ready isn't one of them, it follows by itself. There is more
than one right order. Ask for each part what it needs to have been done before, and what it makes
impossible afterwards. The function do (init.go) shows what each part does. When this is solved,
the whole container is your own code, PID 1 included.`,
		Read:    []string{"05-full/container/init.go, do", "pivot_root(2)", "user_namespaces(7), \"Interaction of user namespaces and other types of namespaces\"", "capabilities(7)"},
		Package: "05-full/container", Run: "^TestOrder$",
		Shows: "go run -tags mine ./05-full -- sh",
		Hints: []string{
			"Three questions sort the list. Which parts put files into a root that is being " +
				"built? Which need the new root to be / already? Which drop privileges that " +
				"others need?",
			"Some parts show something of the host inside, or are allowed only while something " +
				"of the host is in sight. Until when is the host in sight?",
			"Where two parts write to the same place, the later one wins. What the user mounts " +
				"from the host should win over what we create.",
			"go run -tags mine ./05-full -json assemble shows how far the assembly gets. The " +
				"error says which call failed.",
		},
		Diagnoses: []Diagnosis{
			{"missing", func(s State) bool {
				return s.Facts["order"] != "" && len(strings.Fields(s.Facts["order"])) < 12
			},
				"The list has fewer than twelve parts. The kernel doesn't report a missing part " +
					"as an error: the container would only be weaker, or lack something."},
			{"twice", func(s State) bool { return len(strings.Fields(s.Facts["order"])) > 12 },
				"The list has more than twelve parts: one is there twice, or Ready, which " +
					"follows by itself, is among them."},
			{"walls-too-early", func(s State) bool {
				return s.Facts["errno"] == "EPERM" && slices.Contains(strings.Fields(s.Facts["done"]), "walls")
			},
				"EPERM: the restrictions (Walled) are in force already. They drop CAP_SYS_ADMIN " +
					"and CAP_NET_ADMIN, and a later part needs one of them."},
			{"root-not-begun", func(s State) bool { return s.Says("lays the root that it works on") },
				"A part works on the new root, but there is none yet. One part creates it, and " +
					"makes all mounts private before that."},
			{"proc-after-pivot", func(s State) bool {
				return s.Facts["errno"] == "EPERM" && (before(s.Facts["order"], "pivot", "proc") || before(s.Facts["order"], "pivot", "sys"))
			},
				"EPERM: a user namespace gets a new /proc or /sys only while one without masked " +
					"paths is in sight. After the pivot the host's is gone, and the permission " +
					"with it."},
			{"dev-after-pivot", func(s State) bool { return before(s.Facts["order"], "pivot", "dev") },
				"The devices are the host's own nodes, bind-mounted into the container. After " +
					"the pivot the host's /dev is out of reach: an ordinary file is there now, " +
					"bound onto itself."},
			{"volumes-too-early", func(s State) bool {
				return before(s.Facts["order"], "volumes", "etc") && s.Facts["errno"] != "allowed"
			},
				"The user's volumes were already in the root when files were created there, and " +
					"one was mounted over /etc/resolv.conf. The part that writes /etc found it " +
					"in its way, or would have written into the user's file."},
			{"cover-too-early", func(s State) bool {
				return s.Facts["errno"] == "allowed" && before(s.Facts["order"], "cover", "pivot")
			},
				"Every part was done, but /proc inside isn't masked. You masked the host's " +
					"/proc, as this mount namespace saw it, and that went away with the old root."},
		},
	},
}
