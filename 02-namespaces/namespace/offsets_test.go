//go:build linux

package namespace

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
)

type clocks struct {
	Offsets string  // the offsets of the children in the kernel
	Inside  float64 // seconds of uptime that a child sees
	Outside float64
}

const anHour = time.Hour + 250*time.Millisecond

var shifting = room.New("time-offsets", 0, func(c *clocks) error {
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return err
	}
	err := WriteTimeOffsets(2*anHour, anHour)
	c.Offsets = strings.Join(strings.Fields(read("/proc/self/timens_offsets")), " ")
	// Not os/exec, which cannot start a child in another time namespace before Linux 6.3.
	uptime := func(raw string) (s float64) {
		if f := strings.Fields(raw); len(f) > 0 {
			s, _ = strconv.ParseFloat(f[0], 64)
		}
		return s
	}
	c.Outside = uptime(read("/proc/uptime"))
	if out, err := exec.Command("cat", "/proc/uptime").Output(); err == nil {
		c.Inside = uptime(string(out))
	}
	return err
})

func TestWriteTimeOffsets(t *testing.T) {
	saw, err := shifting.Run(t)
	if errors.Is(err, unix.EINVAL) && saw.Offsets == "" {
		t.Skip("this kernel has no time namespaces (Linux 5.6)")
	}
	claim.State(t, "offsets", saw.Offsets)
	claim.State(t, "ahead", int(saw.Inside-saw.Outside))
	claim.NoError(t, "the offsets can be written while no process is inside", err)
	claim.Equal(t, "the kernel stores both clocks, in seconds and nanoseconds",
		"/proc/self/timens_offsets",
		"monotonic 7200 500000000 boottime 3600 250000000", saw.Offsets)
	if saw.Inside != 0 { // before Linux 6.3 cat could not be started
		ahead := saw.Inside - saw.Outside
		claim.True(t, "a child's uptime is an hour ahead", "/proc/uptime, inside and outside", ahead > 3599 && ahead < 3700, "about 3600 s", ahead)
	}
}
