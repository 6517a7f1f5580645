//go:build linux

package rootfs

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/errno"
)

type layered struct {
	At      mountPoint
	Both    string // a file that both layers have
	Names   string // what the merged directory holds
	Upper   string // and the writable layer, after a file was made
	Work    string // and the directory of the kernel's own
	Lower   string // and the layers below, after that
	Remade  string // making a directory that was deleted
	Alone   string // mounting it with one layer below, if two were refused
	Notes   bool   // the writable layer's file system keeps attributes of users
	Refused string // why nobody can mount an overlay here
}

var overlaying = room.New("overlay", 0, func(l *layered) error {
	if err := files(map[string]string{
		"top/both": "from the top", "top/a": "", "ba:se/both": "from the base", "ba:se/dir/file": "",
		"upper/": "", "work/": "", "merged/": "", "c/upper/": "", "c/work/": "",
	}); err != nil {
		return err
	}
	if err := unix.Mount("overlay", "merged", "overlay", 0, "userxattr,lowerdir=top,upperdir=c/upper,workdir=c/work"); err != nil {
		l.Refused = errno.Outcome(err)
		return nil
	}
	if err := unix.Unmount("merged", 0); err != nil {
		return err
	}
	l.Notes = unix.Setxattr("upper", "user.containerkit", nil, 0) == nil
	err := Overlay([]string{"top", "ba:se"}, "upper", "work", "merged", unix.MS_NODEV)
	if err != nil {
		l.Alone = errno.Outcome(Overlay([]string{"top"}, "upper", "work", "merged", 0))
		return err
	}
	l.At, l.Both, l.Names = mountAt("merged"), read("merged/both"), names("merged")
	touch("merged/new")
	l.Upper, l.Lower, l.Work = names("upper"), names("top")+" and "+names("ba:se"), names("work")
	l.Remade = errno.Outcome(errors.Join(os.RemoveAll("merged/dir"), os.Mkdir("merged/dir", 0o755)))
	return nil
})

// The topmost layer wins, writes go to the upper directory, and the notes are kept where a user namespace may keep them.
func TestOverlay(t *testing.T) {
	saw, err := overlaying.Run(t)
	if saw.Refused != "" {
		t.Skipf("this kernel mounts no overlay in a user namespace (%s): that takes Linux 5.11 and the module overlay", saw.Refused)
	}
	claim.State(t, "errno", errno.Outcome(err))
	claim.State(t, "errno with one layer", saw.Alone)
	claim.State(t, "mounted", saw.At)
	claim.State(t, "options of the overlay", saw.At.Super)
	claim.State(t, "the file that both layers have", saw.Both)
	claim.State(t, "upper after a write", saw.Upper)
	claim.State(t, "work after a write", saw.Work)
	claim.NoError(t, "Overlay mounts layers, one of which has a colon in its name", err)
	claim.Equal(t, "an overlay is mounted", "/proc/self/mountinfo", "overlay", saw.At.FSType)
	claim.Equal(t, "the merged directory holds what the layers hold", "listing it", "a both dir", saw.Names)
	claim.Equal(t, "of two files with the same name the one of the topmost layer, the first in the list, is seen", "reading it", "from the top", saw.Both)
	claim.Equal(t, "a new file goes to the upper directory", "listing the upper directory", "new", saw.Upper)
	claim.Equal(t, "and not to the layers below", "listing them", "a both and both dir", saw.Lower)
	if saw.Notes {
		claim.Equal(t, "a directory that was deleted can be created again, for which overlayfs must keep a note", "mkdir(2)", "allowed", saw.Remade)
	} else { // a tmpfs of a kernel before 6.6, which cannot keep the note whatever its name
		claim.True(t, "overlayfs is to keep its notes where a user may", "/proc/self/mountinfo", slices.Contains(strings.Split(saw.At.Super, ","), "userxattr"), "the option userxattr", saw.At.Super)
	}
	claim.True(t, "the flags are passed on: the kernel lists nodev for the mount", "/proc/self/mountinfo", saw.At.has("nodev"), "nodev", saw.At)
}
