//go:build linux

package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// NSpid returns the PIDs of a process, one in each PID namespace that it is in. The first is that
// of the /proc that we read, the last that of the process's own namespace. (proc_pid_status(5))
func NSpid(pid int) ([]int, error) {
	value, err := Status(pid, "NSpid")
	if err != nil {
		return nil, err
	}
	var list []int
	for _, f := range strings.Fields(value) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("NSpid of process %d: %w", pid, err)
		}
		list = append(list, n)
	}
	return list, nil
}

// Status returns a field of /proc/PID/status, or "" if the kernel has no such field. pid 0 is this
// process. (proc_pid_status(5))
func Status(pid int, name string) (string, error) {
	path := "/proc/self/status"
	if pid != 0 {
		path = "/proc/" + strconv.Itoa(pid) + "/status"
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return field(string(raw), name), nil
}

// Handles reports whether a process has a handler for a signal, from its bit in SigCgt.
// (proc_pid_status(5))
func Handles(pid int, s unix.Signal) (bool, error) {
	value, err := Status(pid, "SigCgt")
	if err != nil {
		return false, err
	}
	bits, err := strconv.ParseUint(value, 16, 64)
	return bits&(1<<(s-1)) != 0, err
}
