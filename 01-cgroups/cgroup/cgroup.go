//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Prefix begins the name of every cgroup that this package creates: they are all in one place.
const Prefix = place + "/"

// A Group is a cgroup that this process owns.
//
// On v2 it is two cgroups: the upper one has the limits, and a leaf below it has the processes. A
// process that is root in its own user namespace owns the files of its cgroup if an ordinary user
// created that namespace. In a cgroup namespace it sees its cgroup as the root of the hierarchy. So
// it can reach the leaf, whose limits are all "max", and never the cgroup above. On v1 one cgroup
// is enough: only root creates cgroups there, and root in the container is another user.
type Group struct {
	Version Version
	Name    string // containerkit/NAME-RANDOM

	h      *Hierarchy
	dirs   map[string]string // v1: controller → directory; v2: "" → the directory with the limits
	shared []*os.File        // v1: the cgroups of the hierarchies without a limit
	leaf   string            // v2: the directory with the processes
	owner  *os.File          // the locked directory: as long as we run, the cgroup is ours
	// the leaf, open; or the cgroup in the v2 hierarchy of a hybrid machine
	born   *os.File
	remove sync.Once
}

// leafName names the directory of the processes on v2.
const leafName = "leaf"

// New creates a cgroup and sets its limits. It reads each limit back, so all of them are in force
// when New returns. If anything fails, New leaves nothing behind. An *Unavailable error says why
// this machine or this user can't have such a cgroup, and how to fix it.
func New(name string, r Resources) (*Group, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if name == "" || strings.ContainsAny(name, "/\n \x00") {
		return nil, fmt.Errorf("cgroup: name %q: cannot be part of a directory name", name)
	}
	h, err := Find()
	if err != nil {
		return nil, err
	}
	return h.New(name, r)
}

// New creates a cgroup as the function New does, for a caller that has already called Find.
func (h *Hierarchy) New(name string, r Resources) (*Group, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if err := r.lacks(h.Version); err != nil {
		return nil, err
	}
	if err := h.checkCPUs(r.CPUs); err != nil {
		return nil, err
	}
	lock, err := h.lock(true)
	if err != nil {
		return nil, err
	}
	defer lock.Close()

	g := &Group{Version: h.Version, Name: fmt.Sprintf("%s%s-%08x", Prefix, name, rand.Uint32()), h: h, dirs: map[string]string{}}
	if err := g.make(r); err != nil {
		return nil, errors.Join(err, g.destroy())
	}
	return g, nil
}

// make creates the directories and sets the limits.
func (g *Group) make(r Resources) error {
	settings := r.v2()
	var err error
	if g.Version == V1 {
		settings = r.v1()
		err = g.make1(r)
	} else {
		err = g.make2(r.controllers())
	}
	for _, s := range settings {
		if err == nil {
			err = g.apply(s)
		}
	}
	return err
}

// apply sets one limit.
func (g *Group) apply(s setting) error {
	path, err := g.path(s.file)
	if err != nil {
		return err
	}
	err = s.put(path)
	if !s.optional || !errors.Is(err, unix.ENOENT) {
		return err
	}
	if swaps, _ := read("/proc/swaps"); strings.Count(swaps, "\n") == 0 { // only the column titles
		return nil
	}
	return &Unavailable{fmt.Sprintf("this machine has swap, and its kernel does not count swap "+
		"per cgroup (no %s): a memory limit would not hold", path), fixSwap}
}

// Set writes to a file of the cgroup, given by its name in v2 or by its local name.
func (g *Group) Set(file, data string) error {
	path, err := g.path(g.Version.Local(file))
	if err != nil {
		return err
	}
	return write(path, data)
}

// Get reads a file of the cgroup, given by its name in v2 or by its local name.
func (g *Group) Get(file string) (string, error) {
	path, err := g.path(g.Version.Local(file))
	if err != nil {
		return "", err
	}
	return read(path)
}

// File returns the path at which Get and Set find a file of the cgroup.
func (g *Group) File(file string) string {
	path, err := g.path(g.Version.Local(file))
	if err != nil {
		return g.Version.Local(file)
	}
	return path
}

// Path returns the cgroup's directory for a controller. On v2 all controllers share one.
func (g *Group) Path(controller string) string {
	if g.Version == V2 {
		return g.dirs[""]
	}
	return g.dirs[strings.TrimSuffix(local1(controller+"."), ".")]
}

// Below creates a cgroup below this one, beside the leaf. Remove of this cgroup removes it, too. It
// has no leaf: its processes are in the directory with the limits.
func (g *Group) Below(name string) (*Group, error) {
	sub := &Group{Version: g.Version, Name: g.Name + "/" + name, h: g.h, dirs: map[string]string{}}
	for c, parent := range g.dirs {
		dir := filepath.Join(parent, name)
		if slices.Contains(sub.all(), dir) {
			sub.dirs[c] = dir
			continue
		}
		if err := os.Mkdir(dir, closed); err != nil {
			return nil, err
		}
		sub.dirs[c] = dir
	}
	if g.Version == V1 {
		return sub, nil
	}
	var err error
	sub.leaf = sub.dirs[""]
	sub.born, err = openDirAt(unix.AT_FDCWD, sub.leaf, sub.leaf)
	return sub, err
}

// Hierarchy returns the hierarchy in which the cgroup was created.
func (g *Group) Hierarchy() *Hierarchy { return g.h }

// FD returns a file descriptor of the directory that has the processes on v2. clone3(2) takes it
// with CLONE_INTO_CGROUP. On v1 FD returns -1, unless the cgroup also has a directory in the v2
// hierarchy of a hybrid machine: then a child needs both FD and JoinFiles. The child could join
// that directory by itself, too. But v2 moves only whole processes, and such a move waits some
// milliseconds, until no process on the machine is in the middle of a fork.
func (g *Group) FD() int {
	if g.born == nil {
		return -1
	}
	return int(g.born.Fd())
}

// Procs lists the PIDs of the processes in the cgroup.
func (g *Group) Procs() ([]int, error) {
	path, err := g.path("cgroup.procs")
	if err != nil {
		return nil, err
	}
	return procs(path)
}

func procs(path string) ([]int, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, f := range strings.Fields(text) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("cgroup: %s: %w", path, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// Stats holds the counters of a cgroup. The counters of a controller that the cgroup does not have
// are 0.
type Stats struct {
	Pids        int64         // processes and threads now
	PidsRefused int64         // how often fork or clone failed with EAGAIN
	Memory      int64         // bytes now
	MemoryPeak  int64         // highest number of bytes (v2: kernel 5.19 and later)
	OOMKills    int64         // processes killed at the memory limit
	HighHits    int64         // how often they were throttled above memory.high (v2)
	CPU         time.Duration // CPU time of all processes in the cgroup
	Periods     int64         // periods with a quota…
	Throttled   int64         // …and those in which they were throttled
}

// Stats reads the counters.
func (g *Group) Stats() Stats {
	var s Stats
	s.Pids = g.number("pids.current", "")
	s.PidsRefused = g.number("pids.events", "max")
	s.Memory = g.number("memory.current", "")
	s.MemoryPeak = g.number("memory.peak", "")
	s.OOMKills = g.number("memory.events", "oom_kill")
	s.HighHits = g.number("memory.events", "high")
	s.Periods = g.number("cpu.stat", "nr_periods")
	s.Throttled = g.number("cpu.stat", "nr_throttled")
	if g.Version == V1 {
		s.CPU = time.Duration(g.number("cpuacct.usage", "")) // in nanoseconds
	} else {
		s.CPU = time.Duration(g.number("cpu.stat", "usage_usec")) * time.Microsecond
	}
	return s
}

// number reads a file with one number, or the value of a key in a file of "key number" lines. It
// returns 0 for a file or a key that does not exist: nothing was counted.
func (g *Group) number(file, key string) int64 {
	text, err := g.Get(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if key == "" && len(f) == 1 || len(f) == 2 && f[0] == key {
			v, _ := strconv.ParseInt(f[len(f)-1], 10, 64)
			return v
		}
	}
	return 0
}

// Freeze freezes every process in the cgroup until Thaw. It returns once all are frozen.
func (g *Group) Freeze() error {
	if g.Version == V1 {
		return freeze1(g.dirs["freezer"], "FROZEN")
	}
	return freeze2(g.dirs[""], "1")
}

// Thaw lets the processes continue.
func (g *Group) Thaw() error {
	if g.Version == V1 {
		return freeze1(g.dirs["freezer"], "THAWED")
	}
	return freeze2(g.dirs[""], "0")
}

// Kill sends SIGKILL to every process in the cgroup, and returns once the cgroup is empty.
func (g *Group) Kill() error {
	if g.Version == V1 {
		return kill1(g.dirs["freezer"])
	}
	return kill2(g.dirs[""])
}

// Remove kills the processes that are still in the cgroup and removes it. It can be called twice.
func (g *Group) Remove() error {
	var err error
	g.remove.Do(func() {
		var lock *os.File
		if lock, err = g.h.lock(false); errors.Is(err, os.ErrNotExist) {
			err = g.close() // it no longer exists, nor does the place
			return
		}
		if err != nil {
			return
		}
		defer lock.Close()
		err = g.destroy()
	})
	return err
}

// destroy removes the cgroup while the place is locked. The locked directory is removed last: as
// long as any directory of the cgroup is left, the next cleanup finds it. Usually no process is
// left, and removing the directories is enough.
func (g *Group) destroy() error {
	parents := g.parentsOf()
	dirs := g.all()
	base := filepath.Join(g.h.base(), g.Name)
	slices.SortStableFunc(dirs, func(a, b string) int {
		return map[bool]int{true: 1}[a == base] - map[bool]int{true: 1}[b == base]
	})
	var errs []error
	if !rmdirs(append([]string{g.leaf}, dirs...)) {
		if g.made() {
			errs = append(errs, g.Kill())
		}
		for _, dir := range dirs {
			errs = append(errs, removeTree(dir))
		}
	}
	for _, f := range g.shared {
		_, err := unshare(f)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, g.close(), g.h.leave(parents))...)
}

// made reports whether the cgroup has a directory that can contain processes.
func (g *Group) made() bool { return g.Version == V2 && g.dirs[""] != "" || g.dirs["freezer"] != "" }

func (g *Group) close() error {
	for _, f := range append([]*os.File{g.owner, g.born}, g.shared...) {
		if f != nil {
			_ = f.Close()
		}
	}
	return nil
}

// rmdirs removes directories, and reports whether all are gone.
func rmdirs(dirs []string) bool {
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
			return false
		}
	}
	return true
}

// patience is the time that the kernel has to do what we asked for.
const patience = 5 * time.Second

// retry repeats f while it fails with the given error, but not for longer than wait.
func retry(f func() error, while error, wait time.Duration) error {
	pause := 100 * time.Microsecond
	for end := time.Now().Add(wait); ; pause = min(2*pause, 20*time.Millisecond) {
		err := f()
		if !errors.Is(err, while) || time.Now().After(end) {
			return err
		}
		time.Sleep(pause)
	}
}

// errNotYet makes retry try again.
var errNotYet = errors.New("the kernel has not done it yet")

// waitEmpty waits until no process is left in a cgroup.
func waitEmpty(dir string) error {
	return waitFor(dir, func() (bool, error) {
		pids, err := procs(dir + "/cgroup.procs")
		return len(pids) == 0, err
	})
}

func waitFor(dir string, empty func() (bool, error)) error {
	err := retry(func() error {
		done, err := empty()
		if err == nil && !done {
			return errNotYet
		}
		return err
	}, errNotYet, patience)
	if err != nil {
		return fmt.Errorf("cgroup: empty %s: %w", dir, err)
	}
	return nil
}

// children lists the cgroups directly below dir.
func children(dir string) (dirs []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(dir, e.Name()))
		}
	}
	return dirs
}

// A WriteError names the file and the data of a write that failed. The kernel returns only an
// errno, so the data matters.
type WriteError struct {
	Path, Data string
	Err        error
}

func (e *WriteError) Error() string { return fmt.Sprintf("write %q to %s: %v", e.Data, e.Path, e.Err) }
func (e *WriteError) Unwrap() error { return e.Err }

// read reads a file of the kernel, which has no size and never blocks. os.ReadFile would ask for
// both, and set up Go's poller: together this takes a thirtieth of a container's start.
func read(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var text []byte
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return "", &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return strings.TrimRight(string(text), "\n"), nil
		default:
			text = append(text, buf[:n]...)
		}
	}
}

func denied(err error) bool {
	return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EROFS)
}
