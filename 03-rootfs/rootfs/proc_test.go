//go:build linux

package rootfs

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/errno"
)

type procfs struct {
	At        mountPoint
	Covers    bool   // another one lies over the host's, at /proc
	Hosts     bool   // what is at proc is the host's
	Processes int    // in the new one
	Refused   string // why nobody can mount a /proc here
}

var mountingProc = room.New("proc", unix.CLONE_NEWPID, func(p *procfs) error {
	if err := files(map[string]string{"proc/": "", "control/": ""}); err != nil {
		return err
	}
	// Where parts of /proc are covered, as in a Docker container, the kernel gives a user namespace no new one.
	if err := unix.Mount("proc", "control", "proc", 0, ""); err != nil {
		p.Refused = errno.Outcome(err)
		return nil
	}
	if err := unix.Unmount("control", 0); err != nil {
		return err
	}
	host := device("/proc")
	err := (&Rootfs{}).Proc()
	p.Covers, p.Hosts = device("/proc") != host, device("proc") == host
	p.At, p.Processes = mountAt("proc"), processes("proc")
	return err
})

// device is the number of the file system that a path is in. Each PID namespace's proc has its own, and
// processes that come and go do not change it.
func device(path string) uint64 {
	var st unix.Stat_t
	_ = unix.Stat(path, &st) // no such path, no such number
	return st.Dev
}

func processes(dir string) (count int) {
	for name := range strings.FieldsSeq(names(dir)) {
		if _, err := strconv.Atoi(name); err == nil {
			count++
		}
	}
	return count
}

// The new root's /proc shows the processes of the PID namespace, and nothing there counts as a program or a device.
func TestProc(t *testing.T) {
	saw, err := mountingProc.Run(t)
	if saw.Refused != "" {
		t.Skipf("the kernel gives nobody a new /proc here (%s): a part of the present one is covered", saw.Refused)
	}
	claim.State(t, "mounted", saw.At)
	claim.State(t, "processes", saw.Processes)
	claim.State(t, "the host's /proc is at proc", saw.Hosts)
	claim.State(t, "errno", errno.Outcome(err))
	claim.State(t, "the host's /proc is covered", saw.Covers)
	claim.NoError(t, "Proc mounts a /proc", err)
	claim.Equal(t, "a file system of the type proc is mounted at proc, in the working directory", "/proc/self/mountinfo", "proc", saw.At.FSType)
	claim.Equal(t, "it shows the one process that this PID namespace has", "the numbers in the new proc", 1, saw.Processes)
	for _, option := range []string{"nosuid", "nodev", "noexec"} {
		claim.True(t, "the kernel lists the option "+option+" for it", "/proc/self/mountinfo", saw.At.has(option), option, saw.At)
	}
}
