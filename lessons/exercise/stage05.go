package exercise

import (
	"slices"
	"strings"
)

// before tells whether part a stands before part b in an order, "a b c".
func before(order, a, b string) bool {
	parts := strings.Fields(order)
	i, j := slices.Index(parts, a), slices.Index(parts, b)
	return i >= 0 && j >= 0 && i < j
}

var stage05 = []Exercise{
	{
		Stage: "05-full", Name: "reaper", Step: "init",
		Title: "number 1 buries the dead, and ends as its payload ends",
		File:  "02-namespaces/initproc/reap_mine.go",
		Task: `A loop around unix.Wait4: each turn waits for one child, whichever it is. Orphans come and go until the payload itself has
ended; then return how. EINTR is no end: a signal came in between. If the payload has only stopped, call wakeUp(pid, ws).
It is the last part that a container lacks: when it is solved, the commands behind -- run on your own code, with your own PID 1.`,
		Read:    []string{"wait4(2)", "waitpid(2)", "pid_namespaces(7), \"The namespace init process\""},
		Package: "02-namespaces/initproc", Run: "^(TestReapStatus|TestReapOrphans|TestReapStopped|TestReapInterrupted)$",
		Shows: "go run -tags mine ./04-network -- sh",
		Hints: []string{
			"A process that has ended stays in the table, as a zombie, until its parent has waited for it. Who is the parent of an orphan in a PID namespace?",
			"wait4's first argument says for whom it waits: a number for one child, and another value for any of them. What it returns is who it was.",
			"unix.WaitStatus knows whether somebody has Exited, was Signaled or has Stopped, and more about each. A shell tells of a death by signal n as 128+n.",
		},
		Diagnoses: []Diagnosis{
			{"interrupted", func(s State) bool { return s.Says("interrupted system call") },
				"EINTR: a signal arrived while wait4 waited. PID 1 gets signals all the time, because it forwards them; the command runs on, so the loop goes on."},
			{"first-child", func(s State) bool { return s.Facts["status of exit 4 after an orphan's exit 7"] == "7" },
				"You returned an orphan's status, 7, for the payload's: the first child that ends need not be the payload."},
			{"returns-early", func(s State) bool {
				v := s.Facts["status of exit 4 after an orphan's exit 7"]
				return v != "" && v != "4" && s.Facts["status of exit 3"] == "3"
			},
				"With an orphan that ends first the status is wrong: number 1 has ended when the orphan did, and the kernel killed the payload with it."},
			{"signal-lost", func(s State) bool {
				v := s.Facts["status after SIGKILL"]
				return s.Facts["status of exit 3"] == "3" && v != "" && v != "137"
			},
				"The payload was killed by signal 9, and its status does not say so. Whom a signal ended has no exit status of his own; see what WaitStatus knows."},
			{"stays-stopped", func(s State) bool { return s.Facts["state after three seconds"] != "" },
				"The payload has stopped, as after Ctrl-Z, and nobody wakes it up: it has the terminal, and no shell outside can say fg."},
			{"stop-is-no-end", func(s State) bool {
				v := s.Facts["status after a stop and exit 5"]
				return v != "" && v != "5"
			},
				"The payload had only stopped when you returned. With WUNTRACED among the options, wait4 tells of that too: ask ws what has happened before you take it for an end."},
			{"zombies", func(s State) bool { return s.Facts["zombies"] != "" && s.Facts["zombies"] != "0" },
				"Orphans that have ended stay in the process table as zombies while the payload runs: nobody waits for them. You wait for the payload's number alone."},
			{"raw-status", func(s State) bool { return s.Facts["status of exit 3"] != "" && s.Facts["status of exit 3"] != "3" },
				"The payload ended with 3, and you returned something else. What wait4 fills in is several things in one number; WaitStatus takes it apart."},
		},
	},
	{
		Stage: "05-full", Name: "capabilities", Step: "walls",
		Title: "root inside keeps docker's capabilities, and nothing ever brings the others back",
		File:  "05-full/container/capabilities_mine.go",
		Task: `With package capability: load the calling thread's sets (NewPid2 of 0), clear all of them, set those of Kept (walls.go) where
they shall stay, and Apply. Which sets there are: CAPS stands for effective, permitted and inheritable; BOUNDS for the
bounding set, AMBS for the ambient one. The inheritable set and the ambient set stay empty.`,
		Read:    []string{"capabilities(7)", "go doc github.com/moby/sys/capability Capabilities"},
		Package: "05-full/container", Run: "^TestKeepCapabilities$",
		Shows: "go test -tags mine -v -run '^TestKeepCapabilities' ./05-full/container",
		Hints: []string{
			"A thread has five sets. Find in capabilities(7) what each is good for, and which formula gives a program its sets at execve(2).",
			"Clear and Set change what the program has in memory. The kernel hears of it in Apply, and only of the sets that are named there.",
			"Root that executes a program is given everything that the bounding set still holds, whatever it had before.",
		},
		Diagnoses: []Diagnosis{
			{"not-effective", func(s State) bool { return s.Says("operation not permitted") },
				"EPERM: the kernel refuses a combination. What is effective must be permitted; and who drops from the bounding set must still have CAP_SETPCAP; and what becomes inheritable must be in the bounding set."},
			{"not-applied", func(s State) bool {
				return s.Facts["CapEff"] != "" && s.Facts["CapEff"] == s.Facts["before"] && s.Facts["CapBnd"] == s.Facts["before"] && s.Got == s.Facts["before"]
			},
				"The kernel's sets are what they were. What you changed is this program's copy of them."},
			{"effective-left", func(s State) bool {
				return s.Facts["CapEff"] != "" && s.Facts["CapEff"] == s.Facts["before"] && s.Facts["CapBnd"] == s.Facts["kept"]
			},
				"The bounding set is small, but this thread can still use everything. Clear knows groups of sets, CAPS, BOUNDS and AMBS; of less than a group it clears nothing, and says nothing."},
			{"nothing-left", func(s State) bool { return s.Facts["CapEff"] == "0000000000000000" },
				"Nothing is left at all: not even chown works for this root. The capabilities of Kept have to be in the sets that you apply."},
			{"permitted-left", func(s State) bool {
				return s.Facts["CapEff"] == s.Facts["kept"] && s.Facts["CapPrm"] != s.Facts["kept"]
			},
				"Only the effective set is small: what is still permitted can be taken back into use with one call."},
			{"bounding-left", func(s State) bool {
				return s.Facts["CapEff"] == s.Facts["kept"] && s.Facts["CapBnd"] == s.Facts["before"]
			},
				"This thread has only what is kept, but look at CapEff of the program that it started as root: everything is back. One set limits what execve(2) can give, and it is as large as it was."},
			{"handed-on", func(s State) bool {
				return strings.Contains(s.Claim, "inheritable") || strings.Contains(s.Claim, "ambient")
			},
				"Root's own sets are right, but what is inheritable or ambient is for others: a program that runs as an ordinary user inside would have capabilities too. Engines had to learn that: CVE-2022-24769."},
			{"bounding-empty", func(s State) bool { return s.Facts["CapBnd"] == "0000000000000000" },
				"The bounding set is empty, so a program that root executes gets nothing, not even what is in Kept."},
		},
	},
	{
		Stage: "05-full", Name: "assembly", Step: "assemble",
		Title: "the parts, in the right order, are a container",
		File:  "05-full/container/order_mine.go",
		Task: `Return all twelve parts (config.go lists them; Ready is none of them, it follows by itself) in an order in which each can be
done, and none undoes what another did. There is more than one right order. Ask of each part what it needs to have
been done before, and what it makes impossible afterwards. What each does is in init.go (do).
When this is solved, all of the container is your own, PID 1 included.`,
		Read:    []string{"05-full/container/init.go, do", "pivot_root(2)", "user_namespaces(7), \"Interaction of user namespaces and other types of namespaces\"", "capabilities(7)"},
		Package: "05-full/container", Run: "^TestOrder$",
		Shows: "go run -tags mine ./05-full -- sh",
		Hints: []string{
			"Three questions part the list: what lays files into a root that is being built? What needs the new root to be / already? What takes power away that others need?",
			"Some parts show something of the host inside, or are allowed only while something of the host is in sight. Until when is the host in sight?",
			"Where two parts write to the same place, the later one wins. What the user lends should win over what we make.",
			"go run -tags mine ./05-full -json assemble shows how far the assembly comes; the error says which call was refused.",
		},
		Diagnoses: []Diagnosis{
			{"missing", func(s State) bool {
				return s.Facts["order"] != "" && len(strings.Fields(s.Facts["order"])) < 12
			},
				"Fewer than twelve parts are in the list. To the kernel a part that is left out is no error: the container would only be weaker, or lack something."},
			{"twice", func(s State) bool { return len(strings.Fields(s.Facts["order"])) > 12 },
				"There are more than twelve in the list: something is done twice, or Ready, which follows by itself, is among them."},
			{"walls-too-early", func(s State) bool {
				return s.Facts["errno"] == "EPERM" && slices.Contains(strings.Fields(s.Facts["done"]), "walls")
			},
				"EPERM: the walls stand already. They take CAP_SYS_ADMIN and CAP_NET_ADMIN away, and a part that comes later needs one of them."},
			{"root-not-begun", func(s State) bool { return s.Says("lays the root that it works on") },
				"A part wants to work on the new root, and there is none yet: one part makes it, and all mounts private before it."},
			{"proc-after-pivot", func(s State) bool {
				return s.Facts["errno"] == "EPERM" && (before(s.Facts["order"], "pivot", "proc") || before(s.Facts["order"], "pivot", "sys"))
			},
				"EPERM: a user namespace gets a new /proc or /sys only where a whole one is in sight. After the pivot the host's is gone, and with it the permission."},
			{"dev-after-pivot", func(s State) bool { return before(s.Facts["order"], "pivot", "dev") },
				"The devices are the host's own nodes, shown inside. After the pivot there is no /dev of the host any more to take them from: an ordinary file lies there now, bound onto itself."},
			{"volumes-too-early", func(s State) bool {
				return before(s.Facts["order"], "volumes", "etc") && s.Facts["errno"] != "allowed"
			},
				"What the user lends lay in the root already when files were made there, and one was lent over /etc/resolv.conf: the part that writes /etc found it in its way, or would have written into what was lent."},
			{"cover-too-early", func(s State) bool {
				return s.Facts["errno"] == "allowed" && before(s.Facts["order"], "cover", "pivot")
			},
				"Every part was done, but inside /proc is not covered: what you covered was the /proc of the host, as this mount namespace saw it, and that went with the old root."},
		},
	},
}
