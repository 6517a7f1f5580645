//go:build linux

package namespace

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
)

type propagated struct {
	Top, Below string // the propagation of two mounts, one below the other, afterwards
	Root       string // and of /
}

// The sandbox's process creates two shared mounts and a new mount namespace, which is a copy. Its
// mounts are in one peer group with those of the process's other threads, which stay in the old
// namespace.
var parting = room.New("private", 0, func(p *propagated) error {
	for _, dir := range []string{"top", "top/below"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := MountTmpfs(dir); err != nil {
			return err
		}
		if err := MakeShared(dir); err != nil {
			return err
		}
	}
	if err := MakeShared("/"); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return err
	}
	err := MakePrivate()
	p.Root, p.Top, p.Below = propagation("/"), propagation("/tmp/top"), propagation("/tmp/top/below")
	return err
})

// propagation returns the propagation of a mount from the calling thread's mountinfo: shared, slave
// (it receives and does not send) or private.
func propagation(path string) string {
	raw, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return err.Error()
	}
	kind := "not mounted"
	for line := range strings.Lines(string(raw)) {
		left, _, _ := strings.Cut(line, " - ")
		if f := strings.Fields(left); len(f) > 5 && f[4] == path {
			kind = "private"
			for _, field := range f[6:] {
				switch name, _, _ := strings.Cut(field, ":"); name {
				case "shared":
					kind = "shared"
				case "master":
					kind = "slave"
				}
			}
		}
	}
	return kind
}

func TestMakePrivate(t *testing.T) {
	saw, err := parting.Run(t)
	claim.State(t, "root", saw.Root)
	claim.State(t, "top", saw.Top)
	claim.State(t, "below", saw.Below)
	claim.NoError(t, "root in a mount namespace can make its mounts private", err)
	const from = "/proc/PID/mountinfo, the optional fields"
	claim.Equal(t, "/ is private", from, "private", saw.Root)
	claim.Equal(t, "a mount below / is private", from, "private", saw.Top)
	claim.Equal(t, "a mount below that one is private", from, "private", saw.Below)
}
