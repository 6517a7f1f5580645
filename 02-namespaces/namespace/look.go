//go:build linux

package namespace

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Of returns the namespaces of a process: for each kind its inode number, which is its identity. Two processes are in
// the same namespace if and only if they see the same number. The links are in /proc/PID/ns: namespaces(7).
// pid 0 is the calling thread; each thread has namespaces of its own.
func Of(pid int) (map[string]uint64, error) {
	who := "thread-self"
	if pid != 0 {
		who = strconv.Itoa(pid)
	}
	found := map[string]uint64{}
	for _, t := range Types() {
		path := "/proc/" + who + "/ns/" + t.Name
		var st unix.Stat_t // follows the link, to a file of the kernel's nsfs
		err := unix.Stat(path, &st)
		if errors.Is(err, fs.ErrNotExist) && t.Flag == Time {
			continue // a kernel without CONFIG_TIME_NS
		}
		if err != nil {
			return nil, &os.PathError{Op: "stat", Path: path, Err: err}
		}
		found[t.Name] = st.Ino
	}
	return found, nil
}

// Took tells whether a process that was born of us has all these namespaces to itself; if not, the error names those that it
// shares with us. Ask it before the process changes anything: a Fill that forgets a flag makes no error, and what was meant for
// a namespace of its own would happen to the machine.
func (s Set) Took(pid int) error {
	ours, err := Of(0)
	if err != nil {
		return err
	}
	theirs, err := Of(pid)
	if err != nil {
		return err
	}
	var shared Set
	for _, t := range Types() {
		if s&t.Flag != 0 && ours[t.Name] == theirs[t.Name] {
			shared |= t.Flag
		}
	}
	if shared != 0 {
		return fmt.Errorf("process %d was to be born in new namespaces (%s), and shares %s with us: are they in Cloneflags? (clone(2))", pid, s, shared)
	}
	return nil
}

// HasTime tells whether this kernel has time namespaces: Linux 5.6 or later with CONFIG_TIME_NS, which the kernels of
// WSL and of User-mode Linux are built without. All others come with every kernel that the course runs on.
func HasTime() bool {
	_, err := os.Stat("/proc/self/ns/time")
	return !errors.Is(err, fs.ErrNotExist)
}

// Link is the name of a namespace as the kernel writes it: "uts:[4026531838]".
func Link(name string, inode uint64) string { return fmt.Sprintf("%s:[%d]", name, inode) }

// NSpid returns the numbers that a process has, one in each PID namespace that it is in: from that of the /proc that
// we read down to the process's own. proc_pid_status(5).
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

// Status reads a field of /proc/PID/status; pid 0 is ourselves.
func Status(pid int, field string) (string, error) {
	path := "/proc/self/status"
	if pid != 0 {
		path = "/proc/" + strconv.Itoa(pid) + "/status"
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("%s has no field %s", path, field)
}

// Processes lists the numbers of all processes that our /proc shows, as ps does.
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

// Find returns the process that has the number inside in the PID namespace of the process init: what we call it.
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
			continue // gone, or not ours to look at, or elsewhere
		}
		if numbers, err := NSpid(pid); err == nil && numbers[len(numbers)-1] == inside {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process has number %d in the PID namespace of process %d", inside, init)
}

// A Row is one namespace, as lsns(8) shows it.
type Row struct {
	Type      string
	Inode     uint64
	Processes int
	PID       int    // the lowest number in it
	Command   string // of that process
}

// List finds all namespaces that processes are in, as far as we may look. The kernel has no list of namespaces;
// lsns, too, reads /proc/PID/ns of every process.
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
			continue // it has ended, or belongs to somebody else
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

func order(name string) int {
	return slices.IndexFunc(Types(), func(t Type) bool { return t.Name == name })
}

func command(pid int) string {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty if it has ended
	return strings.TrimSpace(strings.ReplaceAll(string(raw), "\x00", " "))
}
