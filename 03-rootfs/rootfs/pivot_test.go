//go:build linux

package rootfs

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/errno"
)

type pivoted struct {
	Before string // what is in the new root
	Root   string // what is in /
	Dir    string // the working directory
	Roots  int    // how many mounts lie at /
	Escape string // what the walk out of a chroot finds
}

var pivoting = room.New("pivot", 0, func(p *pivoted) error {
	if err := files(map[string]string{"old": "of the old root", "new/": ""}); err != nil {
		return err
	}
	if err := Memory("new"); err != nil {
		return err
	}
	if err := files(map[string]string{"new/here": "of the new root", "new/proc/": "", "new/trap/": ""}); err != nil {
		return err
	}
	if err := unix.Mount("/proc", "new/proc", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	p.Before = names("new")
	err := PivotRoot("new")
	p.Root = names("/")
	p.Dir, _ = os.Getwd()
	if raw, err := unix.Getcwd(make([]byte, unix.PathMax)); err != nil || raw == 0 {
		p.Dir = errno.Outcome(err)
	}
	table := read("/proc/self/mountinfo")
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/" {
			p.Roots++
		}
	}
	if err != nil {
		return err
	}
	// The step escape: a second chroot leaves the working directory outside of it, and ".." has no end there.
	_ = os.Chdir("/")
	_ = unix.Chroot("/trap")
	for range 20 {
		_ = unix.Chdir("..")
	}
	p.Escape = names(".")
	return nil
})

// After PivotRoot there is one root, the new one, and no way back.
func TestPivotRoot(t *testing.T) {
	saw, err := pivoting.Run(t)
	claim.State(t, "errno", errno.Outcome(err))
	claim.State(t, "root", saw.Root)
	claim.State(t, "new root before", saw.Before)
	claim.State(t, "roots", saw.Roots)
	claim.State(t, "directory", saw.Dir)
	claim.State(t, "escape", saw.Escape)
	claim.NoError(t, "PivotRoot makes a directory the root", err)
	claim.Equal(t, "the new root is /", "listing /", "here proc trap", saw.Root)
	claim.Equal(t, "nothing else is mounted at /: the old root is gone, not covered", "/proc/self/mountinfo, lines for /", 1, saw.Roots)
	claim.Equal(t, "the working directory is in the new root", "getcwd(2)", "/", saw.Dir)
	claim.Equal(t, "who walks out of a chroot finds the new root, not the old one", "chroot(2), chdir(\"..\") many times, listing .", "here proc trap", saw.Escape)
}
