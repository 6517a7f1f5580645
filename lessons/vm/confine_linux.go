package vm

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
)

// engineUser is the UID and the GID of QEMU where root starts it: no account and no file has them,
// for systemd leaves the IDs from 65520 to 65533 unused (UIDS-GIDS.md), and they are among the
// 65536 that a container usually has.
const engineUser = 65520

// limits are what a process of a room is started with, besides its namespaces. What each of them
// keeps a process from is what a guest could do that has broken out of its kernel, or out of QEMU.
type limits struct {
	Keeps    []capability.Cap
	User     int   // its UID and GID; 0: those of the room
	Groups   []int // its supplementary groups, if it has another user
	NoGroups bool  // it may not drop its supplementary groups, and is told that it has
}

// limitsOf are a process's limits in a room of that kind.
func limitsOf(p process, spec namespace.Spec) limits {
	own := spec.New&namespace.User != 0
	noGroups := own && !spec.Setgroups || groupsDenied()
	l := limits{Keeps: p.Keeps, NoGroups: noGroups}
	if groups, ok := kvmGroups(); ok && p.Alien && !own && !noGroups && mapped(engineUser) {
		l.User, l.Groups = engineUser, groups
	}
	return l
}

// groupsDenied reports whether no process of our user namespace can change its groups, as in one
// that an ordinary user has created (user_namespaces(7), "/proc/[pid]/setgroups").
func groupsDenied() bool {
	// No file: no user namespaces, and nothing denied.
	text, _ := os.ReadFile("/proc/self/setgroups")
	return strings.TrimSpace(string(text)) == "deny"
}

// kvmGroups are the groups with which any user may open /dev/kvm: none if all users may, or if
// there is no such device. ok is false if its owner alone may.
func kvmGroups() (groups []int, ok bool) {
	var st unix.Stat_t
	if err := unix.Stat("/dev/kvm", &st); err != nil {
		return nil, true
	}
	switch {
	case st.Mode&0o006 == 0o006:
		return nil, true
	case st.Mode&0o060 == 0o060:
		return []int{int(st.Gid)}, true
	}
	return nil, false
}

// mapped reports whether we can change to that UID and GID: that is, to change IDs at all, and to
// IDs that our user namespace has (user_namespaces(7)).
func mapped(id int) bool {
	for _, file := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		text, _ := os.ReadFile(file) // no file: no ID
		if !inMap(string(text), id) {
			return false
		}
	}
	return namespace.Capable(unix.CAP_SETUID) && namespace.Capable(unix.CAP_SETGID)
}

// inMap reports whether a map, as in /proc/PID/uid_map, has the ID.
func inMap(text string, id int) bool {
	for line := range strings.Lines(text) {
		var inside, outside, count int
		_, err := fmt.Sscan(line, &inside, &outside, &count)
		if err == nil && inside <= id && id < inside+count {
			return true
		}
	}
	return false
}

// startConfined starts a command with these limits.
func startConfined(cmd *exec.Cmd, l limits) error {
	if l.User != 0 {
		c := &syscall.Credential{Uid: uint32(l.User), Gid: uint32(l.User)}
		for _, g := range l.Groups {
			c.Groups = append(c.Groups, uint32(g))
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c}
	}
	started := make(chan error)
	go func() {
		// Capabilities and filters are a thread's. Never unlocked, it ends with this function.
		runtime.LockOSThread()
		err := confine(l)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	return <-started
}

// confine limits what the next execve(2) of the calling thread, or of its child, can give to a
// program. The thread itself keeps its capabilities until then.
func confine(l limits) error {
	if err := dropCapabilities(l.Keeps); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	// No set-user-ID program gives back what was taken; and without it, only CAP_SYS_ADMIN may
	// install a filter.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	_, err := installFilter(confineFilter(l.NoGroups), 0)
	return err
}

// dropCapabilities leaves only these in the bounding set of the calling thread, and none in the
// sets that add to what execve(2) gives: what is in none of them, no program gets, not even root's
// (capabilities(7), "Transformation of capabilities during execve()").
func dropCapabilities(keep []capability.Cap) error {
	caps, err := capability.NewPid2(0)
	if err == nil {
		err = caps.Load()
	}
	if err != nil {
		return err
	}
	caps.Clear(capability.BOUNDS | capability.AMBS)
	caps.Unset(capability.INHERITABLE, capability.ListKnown()...)
	caps.Set(capability.BOUNDING, keep...)
	return caps.Apply(capability.CAPS | capability.BOUNDS | capability.AMBS)
}

// installFilter puts the calling thread under a seccomp filter (seccomp(2)), and returns what the
// system call does: with SECCOMP_FILTER_FLAG_NEW_LISTENER, a file descriptor.
func installFilter(filter []unix.SockFilter, flags uintptr) (int, error) {
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return -1, fmt.Errorf("seccomp: %w", errno)
	}
	return int(fd), nil
}

// denied are system calls that no process of an engine needs. Without them a process cannot change
// its mounts, nor create a user namespace in which it has all capabilities again; and it does not
// reach the parts of the host's kernel in which most ways to become root were found.
var denied = []uint32{
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_SETNS, unix.SYS_OPEN_BY_HANDLE_AT,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_REBOOT,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_SYSLOG,
}

// newNamespaces are the flags of clone(2) that create namespaces. (CLONE_NEWTIME is not one that
// clone knows.)
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// confineFilter fails the denied calls with EPERM, and new namespaces. clone3, whose flags are in
// memory that a filter cannot read, fails with ENOSYS: libraries then call clone.
//
// With noGroups, setgroups(2) does nothing and returns 0. virtiofsd drops its supplementary groups
// first of all, and exits if it cannot; but in an unprivileged user namespace no process can. Its
// groups are the user's, so the guest's root can read there what the user can read.
func confineFilter(noGroups bool) []unix.SockFilter {
	const eperm, enosys, success = uint32(unix.EPERM), uint32(unix.ENOSYS), 0
	fail := func(errno uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | errno}
	}
	// load reads from struct seccomp_data: 0 is the number, 4 the architecture, 16 the first argument.
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	// skip jumps over n instructions unless the comparison holds.
	skip := func(n uint8, op uint16, k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jf: n}
	}
	const x32 = 0x40000000 // the calls of amd64's second ABI, by the same architecture
	f := []unix.SockFilter{
		load(4),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: auditArch, Jt: 1}, fail(enosys),
		load(0), skip(1, unix.BPF_JSET, x32), fail(enosys),
		skip(1, unix.BPF_JEQ, unix.SYS_CLONE3), fail(enosys),
	}
	for _, nr := range denied {
		f = append(f, skip(1, unix.BPF_JEQ, nr), fail(eperm))
	}
	if noGroups {
		f = append(f, skip(1, unix.BPF_JEQ, unix.SYS_SETGROUPS), fail(success))
	}
	f = append(f,
		skip(3, unix.BPF_JEQ, unix.SYS_UNSHARE),
		load(16), skip(1, unix.BPF_JSET, newNamespaces|unix.CLONE_NEWTIME), fail(eperm),
		load(0), skip(3, unix.BPF_JEQ, unix.SYS_CLONE),
		load(16), skip(1, unix.BPF_JSET, newNamespaces), fail(eperm))
	return append(f, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
}
