//go:build linux

package rootfs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/errno"
)

type onHost struct {
	Host    []string // the numbers of the devices that hold the host's programs and settings
	Mounts  []string // mountinfo of the container's root
	Write   string   // making a file in what should be read-only
	Links   int      // in /etc/alternatives
	Refused string   // why overlayfs was refused
}

// look builds the rootfs on board, with the host's /proc in sight, and reads its mount table.
func look(o *onHost, readOnly bool) error {
	for _, path := range []string{"/", "/usr", "/etc", "/etc/alternatives"} {
		var st unix.Stat_t
		if unix.Stat(path, &st) == nil {
			o.Host = append(o.Host, fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))
		}
	}
	r, err := Begin(Spec{ReadOnly: readOnly})
	if err != nil {
		return err
	}
	hostsProc := func() error { return mount("/proc", "proc", "", unix.MS_BIND|unix.MS_REC, "") }
	for _, step := range []func() error{r.Base, r.Etc, hostsProc, r.Pivot} {
		if err := step(); err != nil {
			return err
		}
	}
	if r.Refused != nil {
		o.Refused = errno.Outcome(r.Refused)
	}
	entries, _ := os.ReadDir("/etc/alternatives")
	o.Links = len(entries)
	o.Mounts = strings.Split(strings.TrimSpace(read("/proc/self/mountinfo")), "\n")
	o.Write = touch("/etc/alternatives/new")
	if readOnly {
		o.Write = touch("/usr/new")
	}
	return nil
}

var onHosts = map[string]room.Room[onHost]{
	"writable":  room.New("on-board", 0, func(o *onHost) error { return look(o, false) }),
	"read-only": room.New("on-board-ro", 0, func(o *onHost) error { return look(o, true) }),
}

// The mount table of the rootfs on board does not name the disk of the host.
func TestTheHostsDiskIsNotInTheMountTable(t *testing.T) {
	there, _ := os.ReadDir("/etc/alternatives")
	for name, of := range onHosts {
		t.Run(name, func(t *testing.T) {
			saw, err := of.Run(t)
			require.NoError(t, err)
			require.Equal(t, len(there), saw.Links)
			if len(there) > 0 || name == "read-only" {
				require.Equal(t, "EROFS", saw.Write)
			}
			if saw.Refused != "" {
				t.Skipf("no overlay here (%s), so the host's directories are bound", saw.Refused)
			}
			require.NotEmpty(t, saw.Host)
			for _, line := range saw.Mounts {
				if fields := strings.Fields(line); !strings.HasPrefix(fields[4], "/proc") {
					require.NotContains(t, saw.Host, fields[2], line)
				}
			}
		})
	}
}
