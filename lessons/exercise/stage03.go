package exercise

import (
	"slices"
	"strings"
)

var stage03 = []Exercise{
	{
		Stage: "03-rootfs", Name: "bind", Step: "volume",
		Title: "a directory is seen at a second place, read-only all the way down",
		File:  "03-rootfs/rootfs/bind_mine.go",
		Task: `Bind is one call of mount(2). The helper mount (begin.go) makes it, and says in its error what was mounted where.
BindReadOnly is a bind mount too, of the whole tree below source, and then a second call that changes the flags of
the new mounts, and of nothing else: read-only, nosuid, nodev.`,
		Read:    []string{"mount(2), \"Creating a bind mount\"", "mount_setattr(2)", "mount_namespaces(7)"},
		Package: "03-rootfs/rootfs", Run: "^(TestBind|TestBindReadOnly)$",
		Shows: "go test -tags mine -v -run '^TestBind' ./03-rootfs/rootfs",
		Hints: []string{
			"A bind mount needs no file system type and no data: source, target and a flag say it all.",
			"Two things look like one here: a mount, and the file system that is mounted. Read-only can be said of either. Which one may you change?",
			"For each flag of mount(2) that you use, look in the manual page for the sentence that says with which others it is ignored.",
			"What is mounted below the source is a mount of its own. Twice you must say that you mean those as well: when you bind, and when you change the flags. mount_setattr(2) has a flag for it, and package unix has unix.MountSetattr and unix.MountAttr.",
		},
		Diagnoses: []Diagnosis{
			{"source-read-only", func(s State) bool { return s.Facts["write to the source"] == "EROFS" },
				"The source has become read-only too, and every other place where it is seen. You have changed the file system, not the mount: MS_REMOUNT means the one or the other, depending on a second flag."},
			{"rdonly-ignored", func(s State) bool {
				return s.Facts["write"] == "allowed" && strings.HasPrefix(s.Facts["mounted"], "tmpfs rw")
			},
				"The mount is there, but its flags are those of the source: rw. mount(2) has ignored what you asked for, without an error. Read under \"Creating a bind mount\" which flags it looks at in that call."},
			{"below-missing", func(s State) bool { return s.Facts["mounted below"] == "nothing is mounted there" },
				"What is mounted below the source did not come along: you have bound one mount, not the tree. In a user namespace the kernel often refuses that outright (EINVAL), because a mount may cover something on purpose."},
			{"below-writable", func(s State) bool { return s.Facts["write"] == "EROFS" && s.Facts["write below"] == "allowed" },
				"The top is read-only, but what is mounted below it is not: the second call changed one mount only. See the flags of mount_setattr(2)."},
			{"flags-missing", func(s State) bool {
				return s.Facts["write"] == "EROFS" && !(strings.Contains(s.Facts["mounted"], "nosuid") && strings.Contains(s.Facts["mounted"], "nodev"))
			},
				"It is read-only, but a set-user-ID program or a device in it would still count. Two more attributes belong to what is borrowed."},
		},
	},
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
			{"no-such-name", func(s State) bool { return s.Facts["errno"] == "ENOENT" },
				"ENOENT: pivot_root takes two directories, the new root and the one where the old root goes, and looks both up from the working directory. One of your names leads nowhere. \".\" is always there, and may be both."},
			{"put-old-left", func(s State) bool {
				was := strings.Fields(s.Facts["new root before"])
				root := strings.Fields(s.Facts["root"])
				return len(root) > len(was) && slices.Contains(root, "here")
			},
				"The new root holds a directory that was not there before: the one where you put the old root. Until you unmount it, all files of the host are there. With \".\" for both arguments pivot_root needs no such directory, and a read-only root has room for none."},
			{"wrong-directory", func(s State) bool { return slices.Contains(strings.Fields(s.Facts["root"]), "old") },
				"/ is now the directory from which PivotRoot was called, not dir: \".\" is the working directory. Go there first."},
			{"old-root-stays", func(s State) bool { return s.Facts["roots"] == "2" },
				"The mount table has two mounts at /: the old root still lies there, stacked on the new one. Unmount it, and mind what \".\" means after the pivot."},
			{"left-behind", func(s State) bool { return strings.Contains(s.Claim, "working directory") },
				"The new root is /, and the working directory is not in it: it was left behind in the old root, which is in no mount table any more, and whoever stands there can still see its files. pivot_root moves only those who stand in the old root's topmost directory."},
			{"chroot", func(s State) bool {
				return strings.Contains(s.Facts["escape"], "usr") || strings.Contains(s.Facts["escape"], "etc")
			},
				"A walk out of a chroot still finds the host's files: the root of this process has changed, but the mount table has not. Was it pivot_root?"},
		},
	},
	{
		Stage: "03-rootfs", Name: "overlay", Step: "overlay",
		Title: "writes go to a layer on top, and what lies below stays as it is",
		File:  "03-rootfs/rootfs/overlay_mine.go",
		Task: `One mount of the type "overlay"; all that matters stands in its options. A directory's name may hold a colon or a comma,
which mean something there: the helper escaped (begin.go) takes care of one name.
It must work in a user namespace, where overlayfs may not use the extended attributes that it uses by default.`,
		Read:    []string{"Documentation/filesystems/overlayfs.rst, \"Upper and Lower\", \"Multiple lower layers\", \"User xattr\"", "xattr(7)"},
		Package: "03-rootfs/rootfs", Run: "^TestOverlay$",
		Shows: "go test -tags mine -v -run '^TestOverlay' ./03-rootfs/rootfs",
		Hints: []string{
			"Four things are to be said: what lies below, where writes go, where the kernel may prepare them, and where it may keep its notes.",
			"The first three options are named in the first section of overlayfs.rst that has a command line. The fourth is a word without a value.",
			"The order of the layers below: overlayfs.rst says on which side of the list the topmost stands; the comment of Overlay says in which order you get them.",
			"Each name by itself goes through escaped; the colons between them must not.",
		},
		Diagnoses: []Diagnosis{
			{"not-escaped", func(s State) bool { return s.Facts["errno"] == "ENOENT" },
				"ENOENT, though all directories are there: the kernel looks for one by another name. One of the layers has a colon in its name, and colons part the names in the list. It is each name that has to be escaped, and not what parts them."},
			{"layers-by-commas", func(s State) bool {
				return s.Facts["errno"] == "EINVAL" && s.Facts["errno with one layer"] == "allowed"
			},
				"EINVAL with two layers, and none with one: commas part the options, so a comma between two layers ends lowerdir, and the kernel takes the second layer for an option that it does not know. What parts layers is in overlayfs.rst, \"Multiple lower layers\"."},
			{"options", func(s State) bool { return s.Facts["errno"] == "EINVAL" },
				"EINVAL: an option is missing, the kernel does not know one, or two of them name the same directory. Options are parted by commas alone, without blanks. With a directory to write to, the kernel wants another one, empty and on the same file system, to prepare its writes in; dmesg says more."},
			{"reversed", func(s State) bool { return s.Facts["the file that both layers have"] == "from the base" },
				"Both layers are there, but the wrong one wins: you see the lower one's file. Which end of the list is the top?"},
			{"swapped", func(s State) bool {
				return s.Facts["upper after a write"] != "new" && strings.Contains(s.Facts["work after a write"], "new")
			},
				"The new file turned up in the work directory: upper and work have changed places."},
			{"no-userxattr", func(s State) bool {
				o := s.Facts["options of the overlay"]
				return o != "" && !strings.Contains(o, "userxattr")
			},
				"It looks right until overlayfs must keep a note, as for a directory that was deleted and made anew. Its notes are attributes named trusted.overlay.*, which take privilege on the host. overlayfs.rst knows an option that puts them elsewhere."},
			{"flags-dropped", func(s State) bool {
				return strings.HasPrefix(s.Facts["mounted"], "overlay") && !strings.Contains(s.Facts["mounted"], "nodev")
			},
				"The overlay is right; the flags that Overlay was given did not reach mount(2)."},
		},
	},
	{
		Stage: "03-rootfs", Name: "whiteout", Step: "overlay",
		Title: "a layer deletes what the layers below it have",
		File:  "03-rootfs/rootfs/whiteout_mine.go",
		Task: `A layer cannot take a file out of another one. It can only say that there is nothing: with a whiteout, a device node that
has the file's name. If the layer has something of that name itself, be it a file or a whole directory, that goes first.`,
		Read:    []string{"Documentation/filesystems/overlayfs.rst, \"whiteouts and opaque directories\"", "mknod(2)"},
		Package: "03-rootfs/rootfs", Run: "^TestWhiteout$",
		Shows: "go run -tags mine ./03-rootfs overlay",
		Hints: []string{
			"Delete a file in an overlay by hand and look with ls -l at what is in the upper directory afterwards: the step overlay shows how.",
			"Two calls: make room, then make the node. Package os has one for the first that does not mind if nothing is there.",
			"A device node has a type (block or character) and two numbers. unix.Mkdev puts the numbers together, and package unix has the types as S_IF….",
		},
		Diagnoses: []Diagnosis{
			{"real-device", func(s State) bool { return s.Facts["errno"] == "EPERM" },
				"EPERM: the node that you make is one of a device that exists, and such a node would reach it. A whiteout is the one device number that nobody may refuse, because no driver stands behind it."},
			{"in-the-way", func(s State) bool { return s.Facts["errno"] == "EEXIST" },
				"EEXIST: the layer has a file or directory of that name itself, and mknod(2) replaces nothing."},
			{"directory-in-the-way", func(s State) bool { return s.Facts["errno"] == "ENOTEMPTY" || s.Facts["errno"] == "EISDIR" },
				"A directory that is not empty is in the way, and one call for one file does not take it away."},
			{"nothing-to-remove", func(s State) bool { return s.Facts["errno"] == "ENOENT" },
				"ENOENT: the layer itself has nothing of that name, and you took that for a failure. It is the usual case: what is to be deleted lies in a layer below."},
			{"nothing-there", func(s State) bool { return s.Facts["in the layer, for a file of below"] == "ENOENT" },
				"In the layer there is nothing now of that name, so the file of the layer below shows through. Something must stand there that says \"deleted\"."},
			{"no-device", func(s State) bool {
				return strings.HasPrefix(s.Facts["in the layer, for a file of below"], "file of")
			},
				"An ordinary file stands there now. It does not delete what is below: it replaces it, with a file of that name."},
		},
	},
	{
		Stage: "03-rootfs", Name: "proc", Step: "proc",
		Title: "/proc shows the container's processes and no others",
		File:  "03-rootfs/rootfs/proc_mine.go",
		Task: `The new root lies ready, and is the working directory; its empty directory proc waits. Mount a new proc file system there.
No program, no device and no set-user-ID bit in it must count: sys.go has a name for the three flags.`,
		Read:    []string{"proc(5)", "pid_namespaces(7), \"/proc and PID namespaces\"", "mount(2)"},
		Package: "03-rootfs/rootfs", Run: "^TestProc$",
		Shows: "go test -tags mine -v -run '^TestProc' ./03-rootfs/rootfs",
		Hints: []string{
			"There are two ways to see a /proc at a place: to show the one that there is, or to make one. Which of them knows the new PID namespace?",
			"The file system's type is called as the directory is. Its source is a mere label that mountinfo shows.",
			"The helper mount (begin.go) takes what mount(2) takes. A path without a slash in front is below the working directory.",
		},
		Diagnoses: []Diagnosis{
			{"wrong-place", func(s State) bool { return s.Facts["the host's /proc is covered"] == "true" },
				"The new proc lies over /proc, which is the old root's and goes with it. The root that is being built is the working directory, and nothing is mounted at its proc."},
			{"the-hosts", func(s State) bool {
				return s.Facts["the host's /proc is at proc"] == "true" || s.Facts["errno"] == "EINVAL" && s.Facts["processes"] == "0"
			},
				"That is the host's /proc, bound to a second place; in a user namespace the kernel refuses it (EINVAL) where something is mounted below /proc. A proc file system shows the PID namespace of the process that mounted it: the task asks for a new one."},
			{"flags-missing", func(s State) bool {
				return strings.HasPrefix(s.Facts["mounted"], "proc ") && s.Facts["processes"] == "1"
			},
				"It is the right file system at the right place, but mountinfo does not list all three flags for it."},
		},
	},
	{
		Stage: "03-rootfs", Name: "cover", Step: "proc",
		Title: "what /proc and /sys tell of the machine is covered",
		File:  "03-rootfs/rootfs/cover_mine.go",
		Task: `Two loops. What is masked gets something empty mounted over it: a file gets the null device, a directory an empty, read-only
tmpfs. What is read-only is bound onto itself by BindReadOnly (your own, of bind). Paths that are not there are passed over.

The null device comes as a mount that is attached nowhere yet: the helper attach (begin.go) attaches it, once. For the
next file, the one before is there to be bound. (/dev/null by its name is what the image says it is.)`,
		Read:    []string{"mount(2)", "move_mount(2)", "tmpfs(5)", "null(4)", "proc(5)"},
		Package: "03-rootfs/rootfs", Run: "^TestCover$",
		Shows: "go test -tags mine -v -run '^TestCover' ./03-rootfs/rootfs",
		Hints: []string{
			"A file can only be covered by a file, and a directory by a directory. How do you find out what a path is?",
			"Not every kernel has all of these files. os.Lstat and errors.Is(err, unix.ENOENT) tell.",
			"An empty directory in which something can be made is a present: think of the mount's flags. sys.go has a name for three of them, MS_RDONLY is the fourth.",
		},
		Diagnoses: []Diagnosis{
			{"missing-path", func(s State) bool { return s.Facts["errno"] == "ENOENT" },
				"ENOENT: one of the paths is not there on this machine. That is no failure: what does not exist needs no cover."},
			{"file-on-directory", func(s State) bool { return s.Facts["errno"] == "ENOTDIR" },
				"ENOTDIR: a file was to be mounted on a directory, or a directory on a file. They need different covers."},
			{"null-by-name", func(s State) bool { return s.Facts["masked file"] == "of the image" },
				"A masked file says what the new root has at /dev/null: a file of the image's. An image can have a link or a file there, so the name says nothing. The null device that Cover was given comes from the host."},
			{"attached-once", func(s State) bool {
				return s.Facts["errno"] == "EBADF" || s.Facts["masked file"] != "" && s.Facts["another masked file"] == ""
			},
				"One file is covered, and another is not: there is a single mount of the null device, and it is at one place. A bind mount makes a second one."},
			{"file-not-covered", func(s State) bool { return s.Facts["masked file"] != "" || s.Facts["another masked file"] != "" },
				"A masked file still says what it said."},
			{"directory-not-covered", func(s State) bool { return s.Facts["masked directories"] != "" },
				"Something can still be seen in a masked directory."},
			{"writable-cover", func(s State) bool { return s.Facts["write in a masked directory"] == "allowed" },
				"The directory is empty now, but what was mounted there can be written to."},
			{"still-writable", func(s State) bool { return s.Facts["write to the read-only path"] == "allowed" },
				"The path that should be read-only can be written to. Look at what mountinfo says of it: to bind something onto itself does not change its flags."},
		},
	},
}
