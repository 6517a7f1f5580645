package exercise

import (
	"slices"
	"strings"
)

var stage03 = []Exercise{
	{
		Stage: "03-rootfs", Name: "bind", Step: "volume",
		Title: "a directory appears in a second place, read-only with all mounts below it",
		File:  "03-rootfs/rootfs/bind_mine.go",
		Task: `Bind is one call of mount(2). The helper mount (begin.go) makes the call, and its
error says what was mounted where. BindReadOnly is a bind mount too, of the whole tree below
source. A second call then changes the flags of the new mounts, and of nothing else: read-only,
nosuid, nodev.`,
		Read:    []string{"mount(2), \"Creating a bind mount\"", "mount_setattr(2)", "mount_namespaces(7)"},
		Package: "03-rootfs/rootfs", Run: "^(TestBind|TestBindReadOnly)$",
		Shows: "go test -tags mine -v -run '^TestBind' ./03-rootfs/rootfs",
		Hints: []string{
			"A bind mount needs no file system type and no data: the source, the target and a " +
				"flag are enough.",
			"Two things look alike here: a mount, and the file system that is mounted. Either " +
				"can be read-only. Which of them are you allowed to change?",
			"For each flag of mount(2) that you use, look in the man page for the sentence that " +
				"says with which other flags it is ignored.",
			"Each mount below the source is a separate mount. You must include these mounts " +
				"twice: when you bind, and when you change the flags. mount_setattr(2) has a " +
				"flag for it, and package unix has unix.MountSetattr and unix.MountAttr.",
		},
		Diagnoses: []Diagnosis{
			{"source-read-only", func(s State) bool { return s.Facts["write to the source"] == "EROFS" },
				"The source is now read-only too, in every place where it is mounted. You " +
					"changed the file system, not the mount: a second flag decides which of the " +
					"two MS_REMOUNT changes."},
			{"rdonly-ignored", func(s State) bool {
				return s.Facts["write"] == "allowed" && strings.HasPrefix(s.Facts["mounted"], "tmpfs rw")
			},
				"The mount exists, but its flags are those of the source: rw. mount(2) ignored " +
					"what you asked for, without an error. Read under \"Creating a bind mount\" " +
					"which flags it uses in that call."},
			{"below-missing", func(s State) bool { return s.Facts["mounted below"] == "nothing is mounted there" },
				"The mounts below the source are missing: you bound one mount, not the tree. In " +
					"a user namespace the kernel often refuses that (EINVAL), because a mount " +
					"can mask something on purpose."},
			{"below-writable", func(s State) bool { return s.Facts["write"] == "EROFS" && s.Facts["write below"] == "allowed" },
				"The top is read-only, but the mounts below it are not: the second call changed " +
					"only one mount. See the flags of mount_setattr(2)."},
			{"flags-missing", func(s State) bool {
				return s.Facts["write"] == "EROFS" && !(strings.Contains(s.Facts["mounted"], "nosuid") && strings.Contains(s.Facts["mounted"], "nodev"))
			},
				"The mount is read-only, but a set-user-ID program or a device in it would still " +
					"work. A directory that is mounted from the host needs two more attributes."},
		},
	},
	{
		Stage: "03-rootfs", Name: "pivot", Step: "pivot",
		Title: "the container has a new root, and the old one is gone",
		File:  "03-rootfs/rootfs/pivot_mine.go",
		Task: `Make dir the root of this mount namespace, and unmount the old root, so that no
path leads there. You need three system calls: change to dir; call pivot_root with "." for both
arguments; unmount what is on top afterwards.`,
		Read:    []string{`pivot_root(2), NOTES: pivot_root(".", ".")`, "umount2(2), MNT_DETACH", "chdir(2)"},
		Package: "03-rootfs/rootfs", Run: "^TestPivotRoot$",
		Shows: "go run -tags mine ./03-rootfs pivot",
		Hints: []string{
			"pivot_root changes mounts; chroot changes only where one process's / is. Which of " +
				"the two takes the old root out of the mount table?",
			"With \".\" for both arguments the old root is stacked on top of the new one, in the " +
				"same place. Look at the lines for / in /proc/self/mountinfo before and after " +
				"each of your calls.",
			"The old root has mounts below it, and processes can have their working directory in " +
				"it. So it can only be unmounted lazily.",
		},
		Diagnoses: []Diagnosis{
			{"busy", func(s State) bool { return s.Says("device or resource busy") },
				"EBUSY: the old root is in use, and other mounts are below it. umount2(2) has a " +
					"flag that takes a mount out of the table at once, and cleans up when no " +
					"process uses it any more."},
			{"not-a-mount", func(s State) bool { return s.Says("invalid argument") },
				"EINVAL: pivot_root needs a mount point. Is the directory that you name the new " +
					"root? The kernel looks up the first argument from the working directory."},
			{"no-such-name", func(s State) bool { return s.Facts["errno"] == "ENOENT" },
				"ENOENT: pivot_root takes two directories, the new root and the place for the " +
					"old root. It looks up both from the working directory, and one of your " +
					"names leads nowhere. \".\" always exists, and can be both."},
			{"put-old-left", func(s State) bool {
				was := strings.Fields(s.Facts["new root before"])
				root := strings.Fields(s.Facts["root"])
				return len(root) > len(was) && slices.Contains(root, "here")
			},
				"The new root holds a directory that wasn't there before: the place where you " +
					"put the old root. Until you unmount it, all files of the host are in it. " +
					"With \".\" for both arguments pivot_root needs no such directory, and a " +
					"read-only root has no room for one."},
			{"wrong-directory", func(s State) bool { return slices.Contains(strings.Fields(s.Facts["root"]), "old") },
				"/ is now the directory from which PivotRoot was called, not dir: \".\" is the " +
					"working directory. Go to dir first."},
			{"old-root-stays", func(s State) bool { return s.Facts["roots"] == "2" },
				"The mount table has two mounts at /: the old root is still there, stacked on " +
					"the new one. Unmount it, and consider what \".\" means after the pivot."},
			{"left-behind", func(s State) bool { return strings.Contains(s.Claim, "working directory") },
				"The new root is /, but the working directory was left behind in the old root. " +
					"The old root is in no mount table any more, but a process with its working " +
					"directory there can still see the old files. pivot_root moves only " +
					"processes that are in the topmost directory of the old root."},
			{"chroot", func(s State) bool {
				return strings.Contains(s.Facts["escape"], "usr") || strings.Contains(s.Facts["escape"], "etc")
			},
				"A walk out of the chroot still finds the host's files: the root of this process " +
					"has changed, but the mount table hasn't. Did your code call pivot_root?"},
		},
	},
	{
		Stage: "03-rootfs", Name: "overlay", Step: "overlay",
		Title: "writes go to the upper layer, and the lower layers stay unchanged",
		File:  "03-rootfs/rootfs/overlay_mine.go",
		Task: `One mount of the type "overlay"; all that matters is in its options. A directory's
name can contain a colon or a comma, which have a meaning in the options: the helper escaped
(begin.go) escapes one name. The mount must work in a user namespace, where overlayfs can't use
its default extended attributes.`,
		Read:    []string{"Documentation/filesystems/overlayfs.rst, \"Upper and Lower\", \"Multiple lower layers\", \"User xattr\"", "xattr(7)"},
		Package: "03-rootfs/rootfs", Run: "^TestOverlay$",
		Shows: "go test -tags mine -v -run '^TestOverlay' ./03-rootfs/rootfs",
		Hints: []string{
			"The options say four things: what is below, where writes go, where the kernel can " +
				"prepare them, and where it can keep its metadata.",
			"The first section of overlayfs.rst with a command line names the first three " +
				"options. The fourth is a word without a value.",
			"The order of the lower layers: overlayfs.rst says at which end of the list the " +
				"topmost layer is. The comment of Overlay says in which order you get them.",
			"Pass each name through escaped by itself; the colons between the names must stay as " +
				"they are.",
		},
		Diagnoses: []Diagnosis{
			{"not-escaped", func(s State) bool { return s.Facts["errno"] == "ENOENT" },
				"ENOENT, although all directories exist: the kernel looks for one by another " +
					"name. One of the layers has a colon in its name, and colons separate the " +
					"names in the list. Escape each name, but not the separators."},
			{"layers-by-commas", func(s State) bool {
				return s.Facts["errno"] == "EINVAL" && s.Facts["errno with one layer"] == "allowed"
			},
				"EINVAL with two layers, but not with one. Commas separate options, so a comma " +
					"between two layers ends lowerdir, and the kernel takes the second layer for " +
					"an unknown option. overlayfs.rst, \"Multiple lower layers\", says what " +
					"separates layers."},
			{"options", func(s State) bool { return s.Facts["errno"] == "EINVAL" },
				"EINVAL: an option is missing, the kernel doesn't know one, or two of them name " +
					"the same directory. Separate options by commas alone, without spaces. For " +
					"an upper directory the kernel also needs an empty directory on the same " +
					"file system, where it prepares its writes. dmesg says more."},
			{"reversed", func(s State) bool { return s.Facts["the file that both layers have"] == "from the base" },
				"Both layers are there, but the wrong one wins: you see the file of the lower " +
					"one. Which end of the list is the top?"},
			{"swapped", func(s State) bool {
				return s.Facts["upper after a write"] != "new" && strings.Contains(s.Facts["work after a write"], "new")
			},
				"The new file is in the work directory: upper and work are swapped."},
			{"no-userxattr", func(s State) bool {
				o := s.Facts["options of the overlay"]
				return o != "" && !strings.Contains(o, "userxattr")
			},
				"The mount looks right until overlayfs must store metadata, for example for a " +
					"directory that was deleted and created again. By default it stores them in " +
					"attributes named trusted.overlay.*, which need privileges on the host. " +
					"overlayfs.rst has an option that puts them elsewhere."},
			{"flags-dropped", func(s State) bool {
				return strings.HasPrefix(s.Facts["mounted"], "overlay") && !strings.Contains(s.Facts["mounted"], "nodev")
			},
				"The overlay is right, but the flags that Overlay got didn't reach mount(2)."},
		},
	},
	{
		Stage: "03-rootfs", Name: "whiteout", Step: "overlay",
		Title: "a layer deletes a file of the layers below it",
		File:  "03-rootfs/rootfs/whiteout_mine.go",
		Task: `A layer can't remove a file from another layer. It can only say that the name is
deleted: with a whiteout, a device node that has the file's name. If the layer itself has
something of that name, a file or a whole directory, remove that first.`,
		Read:    []string{"Documentation/filesystems/overlayfs.rst, \"whiteouts and opaque directories\"", "mknod(2)"},
		Package: "03-rootfs/rootfs", Run: "^TestWhiteout$",
		Shows: "go run -tags mine ./03-rootfs overlay",
		Hints: []string{
			"Delete a file in an overlay by hand, and look with ls -l at the upper directory " +
				"afterwards: the step overlay shows how.",
			"You need two calls: make room, then create the node. Package os has one for the " +
				"first that accepts a missing path.",
			"A device node has a type (block or character) and two numbers. unix.Mkdev combines " +
				"the numbers, and package unix has the types as S_IF….",
		},
		Diagnoses: []Diagnosis{
			{"real-device", func(s State) bool { return s.Facts["errno"] == "EPERM" },
				"EPERM: you create the node of a device that exists, and such a node would give " +
					"access to it. A whiteout is the one device number that every user is " +
					"allowed to create, because no driver is behind it."},
			{"in-the-way", func(s State) bool { return s.Facts["errno"] == "EEXIST" },
				"EEXIST: the layer itself has a file or directory of that name, and mknod(2) " +
					"replaces nothing."},
			{"directory-in-the-way", func(s State) bool { return s.Facts["errno"] == "ENOTEMPTY" || s.Facts["errno"] == "EISDIR" },
				"A directory that isn't empty is in the way, and a call that removes one file " +
					"doesn't remove it."},
			{"nothing-to-remove", func(s State) bool { return s.Facts["errno"] == "ENOENT" },
				"ENOENT: the layer itself has nothing of that name, and you treat that as a " +
					"failure. It is the usual case: what should be deleted is in a layer below."},
			{"nothing-there", func(s State) bool { return s.Facts["in the layer, for a file of below"] == "ENOENT" },
				"The layer now has nothing of that name, so the file of the layer below shows " +
					"through. Something must be there that says \"deleted\"."},
			{"no-device", func(s State) bool {
				return strings.HasPrefix(s.Facts["in the layer, for a file of below"], "file of")
			},
				"An ordinary file is there now. It doesn't delete the file below: it replaces it " +
					"with another file of that name."},
		},
	},
	{
		Stage: "03-rootfs", Name: "proc", Step: "proc",
		Title: "/proc shows the container's processes and no others",
		File:  "03-rootfs/rootfs/proc_mine.go",
		Task: `The new root is ready, and is the working directory. It has an empty directory
proc: mount a new proc file system there. Programs, devices and set-user-ID bits in it must have
no effect: sys.go has a name for the three flags.`,
		Read:    []string{"proc(5)", "pid_namespaces(7), \"/proc and PID namespaces\"", "mount(2)"},
		Package: "03-rootfs/rootfs", Run: "^TestProc$",
		Shows: "go test -tags mine -v -run '^TestProc' ./03-rootfs/rootfs",
		Hints: []string{
			"There are two ways to get a /proc in a place: show the one that exists, or create a " +
				"new one. Which of them knows the new PID namespace?",
			"The file system's type has the same name as the directory. Its source is only a " +
				"label that mountinfo shows.",
			"The helper mount (begin.go) takes the arguments of mount(2). A path without a " +
				"leading slash is relative to the working directory.",
		},
		Diagnoses: []Diagnosis{
			{"wrong-place", func(s State) bool { return s.Facts["the host's /proc is covered"] == "true" },
				"The new proc is mounted over /proc, which belongs to the old root and goes away " +
					"with it. The new root is the working directory, and nothing is mounted at " +
					"its proc."},
			{"the-hosts", func(s State) bool {
				return s.Facts["the host's /proc is at proc"] == "true" || s.Facts["errno"] == "EINVAL" && s.Facts["processes"] == "0"
			},
				"That is the host's /proc, bind-mounted in a second place. In a user namespace " +
					"the kernel refuses that (EINVAL) if something is mounted below /proc. A " +
					"proc file system shows the PID namespace of the process that mounted it, so " +
					"the task asks for a new one."},
			{"flags-missing", func(s State) bool {
				return strings.HasPrefix(s.Facts["mounted"], "proc ") && s.Facts["processes"] == "1"
			},
				"It is the right file system in the right place, but mountinfo doesn't list all " +
					"three flags for it."},
		},
	},
	{
		Stage: "03-rootfs", Name: "cover", Step: "proc",
		Title: "paths of /proc and /sys that expose the machine are masked",
		File:  "03-rootfs/rootfs/cover_mine.go",
		Task: `Write two loops. Mount something empty over each masked path: the null device over
a file; an empty, read-only tmpfs over a directory. Bind each read-only path onto itself with
BindReadOnly (your own, from the exercise bind). Skip paths that don't exist.

The null device comes as a mount that isn't attached yet: the helper attach (begin.go) attaches
it, once. For the next file, bind-mount the file that is already masked. (Don't open /dev/null by
its name: the image decides what is there.)`,
		Read:    []string{"mount(2)", "move_mount(2)", "tmpfs(5)", "null(4)", "proc(5)"},
		Package: "03-rootfs/rootfs", Run: "^TestCover$",
		Shows: "go test -tags mine -v -run '^TestCover' ./03-rootfs/rootfs",
		Hints: []string{
			"Only a file can mask a file, and only a directory can mask a directory. How do you " +
				"find out what a path is?",
			"Not every kernel has all of these files. os.Lstat and errors.Is(err, unix.ENOENT) " +
				"find out.",
			"An empty directory in which files can be created is a gift: think of the mount's " +
				"flags. sys.go has a name for three of them, MS_RDONLY is the fourth.",
		},
		Diagnoses: []Diagnosis{
			{"missing-path", func(s State) bool { return s.Facts["errno"] == "ENOENT" },
				"ENOENT: one of the paths doesn't exist on this machine. That is no failure: a " +
					"path that doesn't exist needs no mask."},
			{"file-on-directory", func(s State) bool { return s.Facts["errno"] == "ENOTDIR" },
				"ENOTDIR: your code mounted a file on a directory, or a directory on a file. " +
					"They need different masks."},
			{"null-by-name", func(s State) bool { return s.Facts["masked file"] == "of the image" },
				"A masked file shows what the new root has at /dev/null: a file of the image. An " +
					"image can have a link or a file there, so the name proves nothing. The null " +
					"device that Cover gets comes from the host."},
			{"attached-once", func(s State) bool {
				return s.Facts["errno"] == "EBADF" || s.Facts["masked file"] != "" && s.Facts["another masked file"] == ""
			},
				"One file is masked, and another is not. There is a single mount of the null " +
					"device, and it is attached in one place. A bind mount creates a second one."},
			{"file-not-covered", func(s State) bool { return s.Facts["masked file"] != "" || s.Facts["another masked file"] != "" },
				"A masked file still shows its contents."},
			{"directory-not-covered", func(s State) bool { return s.Facts["masked directories"] != "" },
				"A masked directory still shows something."},
			{"writable-cover", func(s State) bool { return s.Facts["write in a masked directory"] == "allowed" },
				"The directory is empty now, but the file system that is mounted there is " +
					"writable."},
			{"still-writable", func(s State) bool { return s.Facts["write to the read-only path"] == "allowed" },
				"The path that should be read-only is writable. Look at its line in mountinfo: " +
					"binding a path onto itself doesn't change the flags."},
		},
	},
}
