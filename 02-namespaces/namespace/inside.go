//go:build linux

package namespace

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls in this file are for the process inside. Some change only the calling thread: call them
// from a goroutine that is locked to its thread (runtime.LockOSThread). Never unlock it, or Go
// would run other goroutines there.

// MakeShared puts a mount into a peer group: its copies in other namespaces receive what is mounted
// below it.
func MakeShared(dir string) error {
	return pathError("mount --make-shared", dir, unix.Mount("", dir, "", unix.MS_SHARED, ""))
}

// MountTmpfs mounts an empty file system in memory on dir. (tmpfs(5))
func MountTmpfs(dir string) error {
	return pathError("mount -t tmpfs", dir, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"))
}

// MountProc mounts a new /proc on dir. It shows the PIDs of the PID namespace of the process that
// mounts it. The old /proc still shows those of the namespace in which it was mounted. (proc(5))
func MountProc(dir string) error {
	// No programs, no device files, no set-user-ID bits: /proc needs none of them.
	return pathError("mount -t proc", dir, unix.Mount("proc", dir, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""))
}

// UnshareCgroup makes our cgroup the root of the cgroup hierarchy that we see. It replaces a clone
// flag because it must come after joining the cgroup: a process that is created in a new cgroup
// namespace and moved later would see its cgroup as something below (or beside) the root.
// (cgroup_namespaces(7))
func UnshareCgroup() error {
	return os.NewSyscallError("unshare(CLONE_NEWCGROUP)", unix.Unshare(unix.CLONE_NEWCGROUP))
}

// UnshareTime creates a time namespace for our children, whose clocks differ from ours by these
// durations. The clocks are CLOCK_MONOTONIC, and CLOCK_BOOTTIME, which uptime reads. The time of
// day belongs to the whole machine.
//
// The offsets can be written only while no process is inside. So unshare(2) leaves us in our old
// time namespace, and only the children that we start afterwards are in the new one.
// (time_namespaces(7))
//
// Call it on the main thread, because offsets are written through /proc/self, which is the main
// thread, and start the children from there.
func UnshareTime(monotonic, boottime time.Duration) error {
	if unix.Gettid() != unix.Getpid() {
		return fmt.Errorf("time namespace: not on the main thread (thread %d of process %d)", unix.Gettid(), unix.Getpid())
	}
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return os.NewSyscallError("unshare(CLONE_NEWTIME)", err)
	}
	ahead, aheadBoot, err := inherited()
	if err != nil {
		return err
	}
	return WriteTimeOffsets(ahead+monotonic, aheadBoot+boottime)
}

// inherited returns the offsets of a new time namespace, which it takes from the one in which it
// was created. An offset is always relative to the initial namespace's clock, and we can be in
// another one.
func inherited() (monotonic, boottime time.Duration, err error) {
	raw, err := os.ReadFile("/proc/self/timens_offsets")
	if err != nil {
		return 0, 0, err
	}
	var s, ns [2]time.Duration
	const lines = "monotonic %d %d\nboottime %d %d\n"
	if _, err := fmt.Sscanf(string(raw), lines, &s[0], &ns[0], &s[1], &ns[1]); err != nil {
		return 0, 0, fmt.Errorf("/proc/self/timens_offsets: %q: %w", raw, err)
	}
	return s[0]*time.Second + ns[0], s[1]*time.Second + ns[1], nil
}

// offset returns a line of /proc/PID/timens_offsets. The nanoseconds are never negative: -0.25 s is
// -1 s and 750000000 ns.
func offset(clock string, d time.Duration) string {
	s, ns := d/time.Second, d%time.Second
	if ns < 0 {
		s, ns = s-1, ns+time.Second
	}
	return fmt.Sprintf("%s %d %d\n", clock, s, ns)
}

// Clocks reads the two clocks that a time namespace shifts. (clock_gettime(2))
func Clocks() (monotonic, boottime time.Duration, err error) {
	var m, b unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &m); err != nil {
		return 0, 0, os.NewSyscallError("clock_gettime", err)
	}
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &b); err != nil {
		return 0, 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(m.Nano()), time.Duration(b.Nano()), nil
}

// UnshareUptime calls UnshareTime with the offsets that start both clocks from zero now.
func UnshareUptime() error {
	monotonic, boottime, err := Clocks()
	if err != nil {
		return err
	}
	return UnshareTime(-monotonic, -boottime)
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}

// DropHandler gives a signal its default action, as in a program that never handled it. Go's
// runtime has a handler for every signal, and signal.Reset leaves it in place, so this calls
// rt_sigaction(2) itself.
func DropHandler(s unix.Signal) error {
	// All zeros are SIG_DFL, no flags and no mask, in the layout of every architecture.
	var action [8]uint64
	var set uintptr = 8 // bytes of a signal set; MIPS has twice as many signals
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		set = 16
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&action)), 0, set, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("rt_sigaction", errno)
	}
	return nil
}

// Unshare moves the calling thread into new namespaces. It cannot create a user namespace, which
// fails for a process with threads. For PID and Time, only the next children of the thread are
// inside. (unshare(2))
func Unshare(s Set) error {
	return os.NewSyscallError("unshare("+s.String()+")", unix.Unshare(int(s)))
}
