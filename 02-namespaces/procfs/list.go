//go:build linux

package procfs

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Processes lists the PIDs of all processes that our /proc shows, as ps does.
func Processes() (pids []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// Find returns our PID of the process that has the PID inside in the PID namespace of the process
// init.
func Find(init, inside int) (int, error) {
	ns, err := Of(init)
	if err != nil {
		return 0, err
	}
	all, err := Processes()
	if err != nil {
		return 0, err
	}
	for _, pid := range all {
		var st unix.Stat_t
		if unix.Stat(fmt.Sprintf("/proc/%d/ns/pid", pid), &st) != nil || st.Ino != ns["pid"] {
			continue // it has exited, or access is denied, or it is elsewhere
		}
		if numbers, err := NSpid(pid); err == nil && numbers[len(numbers)-1] == inside {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process has PID %d in the PID namespace of process %d", inside, init)
}

// A Row describes one namespace, as a line of lsns(8) does.
type Row struct {
	Type      string
	Inode     uint64
	Processes int
	PID       int    // the lowest PID in it
	Command   string // of that process
}

// List finds all namespaces that contain processes, as far as we can read them. The kernel has no
// list of namespaces; lsns, too, reads /proc/PID/ns of every process.
func List() ([]Row, error) {
	pids, err := Processes()
	if err != nil {
		return nil, err
	}
	var rows []Row
	at := map[string]int{}
	for _, pid := range pids {
		ns, err := Of(pid)
		if err != nil {
			continue // it has exited, or belongs to another user
		}
		for name, inode := range ns {
			link := Link(name, inode)
			i, known := at[link]
			if !known {
				i, at[link] = len(rows), len(rows)
				rows = append(rows, Row{Type: name, Inode: inode, PID: pid, Command: command(pid)})
			}
			rows[i].Processes++
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(order(a.Type), order(b.Type)), cmp.Compare(a.Inode, b.Inode))
	})
	return rows, nil
}

func order(kind string) int { return slices.Index(Kinds, kind) }

func command(pid int) string {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty if it has exited
	return strings.TrimSpace(strings.ReplaceAll(string(raw), "\x00", " "))
}
