//go:build linux

package stagetest

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// state lists what exists on the machine, in lines such as "mount: …".
type state []string

// look returns the current state.
func look() state {
	var s state
	add := func(kind, what string) { s = append(s, kind+": "+what) }

	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		add("mount", strings.TrimSpace(line))
	}
	links, _ := net.Interfaces()
	for _, l := range links {
		add("link", l.Name)
	}
	named, _ := filepath.Glob("/run/netns/*")
	for _, n := range named {
		add("network namespace", n)
	}
	for _, file := range []string{"kernel/hostname", "kernel/domainname", "net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding", "net/ipv4/conf/all/rp_filter"} {
		v, _ := os.ReadFile("/proc/sys/" + file)
		add("sysctl", file+" = "+strings.TrimSpace(string(v)))
	}
	for _, dir := range groups() {
		add("cgroup", dir)
	}
	temp, _ := filepath.Glob(os.TempDir() + "/containerkit-*")
	for _, dir := range temp {
		if ours(dir) {
			add("file", dir)
		}
	}
	for _, p := range relatives() {
		add("process", p)
	}
	return s
}

// groups returns the containerkit cgroups that are left over.
func groups() (list []string) {
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && cgroupOfOurs(path) && ours(path) {
			list = append(list, path)
		}
		return nil
	})
	return list
}

// cgroupOfOurs reports whether a directory is a cgroup of package cgroup, and one that has a lock.
// On v1, only the directory in the freezer hierarchy has a lock, and it is removed last. Those
// without limits are shared.
func cgroupOfOurs(path string) bool {
	name := filepath.Base(path)
	if name == "containerkit-unlimited" {
		return true
	}
	if filepath.Base(filepath.Dir(path)) != "containerkit" || strings.HasPrefix(name, "+") {
		return false
	}
	_, err1 := os.Stat(path + "/freezer.state")
	_, err2 := os.Stat(path + "/cgroup.freeze")
	return err1 == nil || err2 == nil && !strings.HasPrefix(path, "/sys/fs/cgroup/unified/")
}

// ours reports whether a directory is left over: no process holds its lock, or we do. If another
// process holds it, the directory belongs to a test of another package that runs at the same time.
func ours(dir string) bool {
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && to == dir {
			return true
		}
	}
	if filepath.Base(dir) == "containerkit-unlimited" {
		return unlocked(dir)
	}
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// unlocked reports whether no process holds a lock of a directory. It takes no lock itself, because
// then a process that leaves the shared cgroup at that moment would not remove it (proc_locks(5)).
func unlocked(dir string) bool {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return false // it is removed
	}
	locks, err := os.ReadFile("/proc/locks")
	inode := fmt.Sprintf(" %02x:%02x:%d ", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	return err == nil && !strings.Contains(string(locks), inode)
}

// relatives returns the processes that run our program, and our children, whatever they run.
func relatives() (list []string) {
	self, _ := os.Stat("/proc/self/exe")
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if filepath.Base(dir) == fmt.Sprint(os.Getpid()) {
			continue
		}
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		// proc_pid_stat(5): PID (name) state parent …; the name can contain ")", so search for the
		// last one.
		after := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		exe, err := os.Stat(dir + "/exe")
		if err == nil && os.SameFile(self, exe) || len(after) > 1 && after[1] == fmt.Sprint(os.Getpid()) {
			cmdline, _ := os.ReadFile(dir + "/cmdline")
			list = append(list, filepath.Base(dir)+" "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return list
}

// compare returns the differences between the state and now. It waits for up to 5 seconds, because
// the kernel can take a moment to remove what exited processes had.
func (s state) compare() string {
	var diff string
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		diff = ""
		now := look()
		for _, line := range now {
			if !slices.Contains(s, line) {
				diff += "  new   " + line + "\n"
			}
		}
		for _, line := range s {
			// Fewer leftovers than before are fine: the tests have removed them.
			if !slices.Contains(now, line) && !strings.HasPrefix(line, "cgroup: ") && !strings.HasPrefix(line, "file: ") && !strings.HasPrefix(line, "process: ") {
				diff += "  gone  " + line + "\n"
			}
		}
		if diff == "" || time.Now().After(end) {
			return diff
		}
	}
}
