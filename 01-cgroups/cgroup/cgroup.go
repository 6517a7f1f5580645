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

// Prefix begins the name of every group that is made here.
const Prefix = "containerkit-"

// A Group is a cgroup that this process owns.
type Group struct {
	Version Version
	Name    string // containerkit-NAME-RANDOM

	h      *Hierarchy
	dirs   map[string]string // v1: controller → directory; v2: "" → the one directory
	locks  []*os.File        // the directories, open and locked: as long as we live, the group is ours
	remove sync.Once
}

// New makes a group and sets its limits. Each limit is read back: what New returns is in force. If anything fails,
// nothing is left. An *Unavailable error says that this machine, or this user, cannot have such a group, and the fix.
func New(name string, r Resources) (*Group, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if name == "" || strings.ContainsAny(name, "/\n \x00") {
		return nil, fmt.Errorf("cgroup: %q cannot be part of a directory's name", name)
	}
	h, err := Find()
	if err != nil {
		return nil, err
	}
	return h.New(name, r)
}

// New is the function New for who has asked Find already.
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
	unlock, err := h.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()

	g := &Group{Version: h.Version, Name: fmt.Sprintf("%s%s-%08x", Prefix, name, rand.Uint32()), h: h, dirs: map[string]string{}}
	settings := r.v2()
	if h.Version == V1 {
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
	if err != nil {
		g.destroy()
		return nil, err
	}
	return g, nil
}

// mkdir makes the group's directory in the tree of a controller, and marks it as ours: a lock on it says "the owner lives"
// to Sweep of another process. The kernel drops it when we end, however we end, and close-on-exec keeps it from our children.
func (g *Group) mkdir(controller, parent string) error {
	dir := filepath.Join(parent, g.Name)
	// Where cpu and cpuacct are one tree (the usual mount), one directory serves both.
	if slices.Contains(g.all(), dir) {
		g.dirs[controller] = dir
		return nil
	}
	// Until it is locked it looks like a dead owner's. Root's Sweep, which goes through the groups of ordinary users under
	// another lock than theirs, may take it away: then it is made again.
	return retry(func() error {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		g.dirs[controller] = dir
		f, err := openDir(dir)
		if errors.Is(err, unix.ENOENT) {
			return errNotYet
		}
		if err != nil {
			return err
		}
		if err := flock(f, patience); err != nil {
			return err
		}
		if _, err := os.Stat(dir); err != nil {
			_ = f.Close()
			return errNotYet
		}
		g.locks = append(g.locks, f)
		return nil
	}, errNotYet, patience)
}

// flock waits for the lock of an open directory, which it closes if somebody else keeps it: anybody can who may read the
// directory (flock(2)).
func flock(f *os.File, wait time.Duration) error {
	err := retry(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }, unix.EWOULDBLOCK, wait)
	if err == nil {
		return nil
	}
	_ = f.Close()
	if err == unix.EWOULDBLOCK {
		return fmt.Errorf("cgroup: somebody has held the lock of %s for %v (lslocks -o PID,COMMAND,PATH tells who)", f.Name(), wait)
	}
	return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
}

func openDir(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(fd), dir), nil
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
	if swaps, _ := read("/proc/swaps"); strings.Count(swaps, "\n") == 0 { // nothing but the title of its columns
		return nil
	}
	return &Unavailable{fmt.Sprintf("this machine swaps, and its kernel does not count that for groups (no %s): a limit on memory would not hold", path), fixSwap}
}

// Set writes to a file of the group, under its name in v2 or its own.
func (g *Group) Set(file, data string) error {
	path, err := g.path(g.Version.Local(file))
	if err != nil {
		return err
	}
	return write(path, data)
}

// Get reads a file of the group, under its name in v2 or its own.
func (g *Group) Get(file string) (string, error) {
	path, err := g.path(g.Version.Local(file))
	if err != nil {
		return "", err
	}
	return read(path)
}

// File is where Get and Set find a file of the group.
func (g *Group) File(file string) string {
	path, err := g.path(g.Version.Local(file))
	if err != nil {
		return g.Version.Local(file)
	}
	return path
}

// Path is the group's directory for a controller. On v2 all controllers share one.
func (g *Group) Path(controller string) string {
	if g.Version == V2 {
		return g.dirs[""]
	}
	return g.dirs[strings.TrimSuffix(local1(controller+"."), ".")]
}

// Below makes a group below this one. It goes when this one goes.
func (g *Group) Below(name string) (*Group, error) {
	sub := &Group{Version: g.Version, Name: name, h: g.h, dirs: map[string]string{}}
	for c, dir := range g.dirs {
		if err := sub.mkdir(c, dir); err != nil {
			return nil, err
		}
	}
	return sub, nil
}

// Hierarchy is where the group was made.
func (g *Group) Hierarchy() *Hierarchy { return g.h }

// FD is the open directory of the group: on v2, clone3(2) takes it with CLONE_INTO_CGROUP.
func (g *Group) FD() int { return int(g.locks[0].Fd()) }

// Procs lists the processes in the group.
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

// Stats is what the kernel counted for a group. A controller that the group does not have counts nothing.
type Stats struct {
	Pids        int64         // processes and threads now
	PidsRefused int64         // how often fork or clone was refused
	Memory      int64         // bytes now
	MemoryPeak  int64         // bytes at most (v2: kernel 5.19 and later)
	OOMKills    int64         // processes killed because the memory was at its limit
	HighHits    int64         // how often they were slowed down because it was above memory.high (v2)
	CPU         time.Duration // CPU time used by all of the group together
	Periods     int64         // periods in which a quota was counted…
	Throttled   int64         // …and those in which it ran out
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

// number reads a file with one number, or the number behind a key in a file of "key number" lines. What is not there
// has not been counted: 0.
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

// Freeze stops every process in the group, wherever it is, until Thaw. It returns when all stand still.
func (g *Group) Freeze() error {
	if g.Version == V1 {
		return freeze1(g.dirs["freezer"], "FROZEN")
	}
	return freeze2(g.dirs[""], "1")
}

// Thaw lets them go on.
func (g *Group) Thaw() error {
	if g.Version == V1 {
		return freeze1(g.dirs["freezer"], "THAWED")
	}
	return freeze2(g.dirs[""], "0")
}

// Kill ends every process in the group with SIGKILL, and returns when the group is empty.
func (g *Group) Kill() error {
	if g.Version == V1 {
		return kill1(g.dirs["freezer"])
	}
	return kill2(g.dirs[""])
}

// Remove kills what is still in the group and removes it. It may be called twice.
func (g *Group) Remove() error {
	var err error
	g.remove.Do(func() {
		var unlock func()
		if unlock, err = g.h.lock(); err != nil {
			return
		}
		defer unlock()
		err = g.destroy()
	})
	return err
}

// destroy removes the group, the parents' lock being held.
func (g *Group) destroy() error {
	var errs []error
	names := make([]string, 0, len(g.dirs))
	for c := range g.dirs {
		names = append(names, c)
	}
	// On v1 the freezer's tree goes last: killing needs it.
	slices.SortFunc(names, func(a, b string) int {
		return strings.Compare(strings.Replace(a, "freezer", "~", 1), strings.Replace(b, "freezer", "~", 1))
	})
	if len(g.locks) > 0 && (g.Version == V2 || g.dirs["freezer"] != "") {
		errs = append(errs, g.Kill())
	}
	for _, c := range names {
		errs = append(errs, removeTree(g.dirs[c]))
	}
	for _, f := range g.locks {
		_ = f.Close()
	}
	if g.Version == V2 {
		errs = append(errs, g.h.restore())
	}
	return errors.Join(errs...)
}

// removeTree removes a group and the groups below it, children first: a cgroup can only be removed with rmdir(2), and
// only when it is empty. The files in it are the kernel's; unlinking them is neither needed nor allowed.
func removeTree(dir string) error {
	if err := unix.Rmdir(dir); err == nil || err == unix.ENOENT { // the usual case: nobody is in it, nothing below it
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	// EBUSY: a killed process has not quite gone yet.
	err = retry(func() error { return unix.Rmdir(dir) }, unix.EBUSY, patience)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

// patience is how long the kernel may take to do what it has been told.
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

// waitEmpty waits until no process is left in a group.
func waitEmpty(dir string) error {
	err := retry(func() error {
		pids, err := procs(dir + "/cgroup.procs")
		if err == nil && len(pids) > 0 {
			return errNotYet
		}
		return err
	}, errNotYet, patience)
	if err != nil {
		return fmt.Errorf("cgroup: empty %s: %w", dir, err)
	}
	return nil
}

// children lists the groups right below dir.
func children(dir string) (dirs []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(dir, e.Name()))
		}
	}
	return dirs
}

// A WriteError says what was written where. The kernel explains nothing but an errno, so the data matters.
type WriteError struct {
	Path, Data string
	Err        error
}

func (e *WriteError) Error() string { return fmt.Sprintf("write %q to %s: %v", e.Data, e.Path, e.Err) }
func (e *WriteError) Unwrap() error { return e.Err }

// read reads a file of the kernel's, which has no size and never blocks. os.ReadFile would ask for both, and set up Go's
// poller: together a thirtieth of a container's start.
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
