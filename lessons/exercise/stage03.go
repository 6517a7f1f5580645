package exercise

import "strings"

var stage03 = []Exercise{
	{
		Stage: "03-rootfs", Name: "pivot", Step: "pivot",
		Title: "a new root, and the old one is gone",
		File:  "03-rootfs/rootfs/pivot_mine.go",
		Task: `Make dir the root of this mount namespace, and let go of the old root, so that no path leads there. It takes three
system calls: go to dir; pivot_root with "." for both of its arguments; unmount what then lies on top.`,
		Read:    []string{`pivot_root(2), NOTES: pivot_root(".", ".")`, "umount2(2), MNT_DETACH", "chdir(2)"},
		Package: "03-rootfs/rootfs", Run: "^TestPivotRoot$",
		Shows: "go run -tags mine ./03-rootfs pivot",
		Hints: []string{
			"pivot_root works on mounts, chroot on one process's idea of /. Which of the two takes the old root out of the mount table?",
			`With "." for both arguments the old root is stacked on top of the new one, at the same place. Look at the lines for / in /proc/self/mountinfo before and after each of your calls.`,
			"The old root has mounts below it, and processes may stand in it: it can only be unmounted lazily.",
		},
		Diagnoses: []Diagnosis{
			{"busy", func(s State) bool { return s.Says("device or resource busy") },
				"EBUSY: the old root is in use, and other mounts lie below it. umount2(2) has a flag that takes a mount out of the table at once and cleans up when nobody uses it any more."},
			{"not-a-mount", func(s State) bool { return s.Says("invalid argument") },
				"EINVAL: pivot_root wants a mount point. Is the directory that you name the new root? The first argument is looked up from the working directory."},
			{"wrong-directory", func(s State) bool { return strings.Contains(s.Facts["root"], "old") },
				"/ is now the directory from which PivotRoot was called, not dir: \".\" is the working directory. Go there first."},
			{"old-root-stays", func(s State) bool { return s.Facts["roots"] == "2" },
				"The mount table has two mounts at /: the old root still lies there, stacked on the new one. Unmount it, and mind what \".\" means after the pivot."},
			{"chroot", func(s State) bool {
				return strings.Contains(s.Facts["escape"], "usr") || strings.Contains(s.Facts["escape"], "etc")
			},
				"A walk out of a chroot still finds the host's files: the root of this process has changed, but the mount table has not. Was it pivot_root?"},
		},
	},
}
