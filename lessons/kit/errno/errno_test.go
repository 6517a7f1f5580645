package errno

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// pretend replaces the facts that the explainer reads. The process has these capabilities, and no
// seccomp filter.
func pretend(t *testing.T, uid int, real bool, sysctls map[string]string, capabilities ...int) {
	was := machine
	t.Cleanup(func() { machine = was })
	machine.uid = func() int { return uid }
	machine.root = func() bool { return uid == 0 && real }
	machine.sysctl = func(path string) string { return sysctls[path] }
	machine.has = func(c int) bool { return slices.Contains(capabilities, c) }
	machine.filter = func() bool { return false }
}

func TestExplain(t *testing.T) {
	pretend(t, 1000, true, nil)
	for _, c := range []struct {
		err  error
		says string
	}{
		{os.NewSyscallError("pivot_root", syscall.EINVAL), "make / private first"},
		{&os.PathError{Op: "pivot_root", Path: "/x", Err: syscall.EBUSY}, "its own mount"},
		{fmt.Errorf("mount overlay on /x: %w", syscall.EINVAL), "upperdir and workdir"},
		{fmt.Errorf("bind /usr: %w", &os.PathError{Op: "mount", Path: "/usr", Err: syscall.EINVAL}), "unbindable"},
		{&os.PathError{Op: "mount", Path: "/x", Err: syscall.ENODEV}, "/proc/filesystems"},
		{&os.PathError{Op: "mount", Path: "/x", Err: syscall.EPERM}, "CAP_SYS_ADMIN"},
		{&os.PathError{Op: "write", Path: "/sys/fs/cgroup/a/cgroup.subtree_control", Err: syscall.EBUSY}, "\"no internal processes\" rule"},
		{&os.PathError{Op: "write", Path: "/sys/fs/cgroup/a/cgroup.subtree_control", Err: syscall.ENOENT}, "cgroup.controllers"},
		{&os.PathError{Op: "write", Path: "/sys/fs/cgroup/a/cgroup.subtree_control", Err: syscall.EOPNOTSUPP}, "threaded"},
		{&os.PathError{Op: "write", Path: "/sys/fs/cgroup/a/cgroup.procs", Err: syscall.ESRCH}, "has exited"},
		{&os.PathError{Op: "write", Path: "/sys/fs/cgroup/cpuset/a/tasks", Err: syscall.ENOSPC}, "cpuset.mems"},
		{&os.PathError{Op: "mkdir", Path: "/sys/fs/cgroup/a", Err: syscall.EACCES}, "Delegate=yes"},
		{&os.PathError{Op: "mkdir", Path: "/sys/fs/cgroup/a", Err: syscall.EROFS}, "read-only here, as Docker"},
		{&os.PathError{Op: "write", Path: "/sys/fs/cgroup/a/io.max", Err: syscall.ENODEV}, "whole disk"},
		{&os.PathError{Op: "write", Path: "/proc/self/timens_offsets", Err: syscall.EACCES}, "before the first one joins"},
		{fmt.Errorf("a program in memory: %w", os.NewSyscallError("memfd_create", syscall.EACCES)), "vm.memfd_noexec=1"},
		{&os.PathError{Op: "write", Path: "/proc/7/uid_map", Err: syscall.EPERM}, "map only your own ID"},
		{&os.PathError{Op: "fork/exec", Path: "/proc/self/exe", Err: syscall.ENOSPC}, "max_*_namespaces"},
		{&os.PathError{Op: "fork/exec", Path: "/bin/true", Err: syscall.EAGAIN}, "pids.max"},
		{&os.PathError{Op: "fork/exec", Path: "/bin/true", Err: syscall.EPERM}, "a new user namespace needs none"},
		{&os.PathError{Op: "fork/exec", Path: "/no/such", Err: syscall.ENOENT}, "does not exist where the command runs"},
		{&os.PathError{Op: "fork/exec", Path: "/x", Err: syscall.ENOEXEC}, "another processor"},
		{&os.PathError{Op: "fork/exec", Path: "/x", Err: syscall.E2BIG}, "too long"},
		{fmt.Errorf("clone3: %w", syscall.E2BIG), "too new"},
		{fmt.Errorf("unshare: %w", syscall.EUSERS), "32"},
		{fmt.Errorf("inotify_add_watch: %w", syscall.ENOSPC), "max_user_watches"},
		{&os.PathError{Op: "write", Path: "/tmp/x", Err: syscall.ENOSPC}, "df -h"},
		{&os.PathError{Op: "write", Path: "/usr/x", Err: syscall.EROFS}, "read-only"},
		{fmt.Errorf("listen tcp 127.0.0.1:80: %w", os.NewSyscallError("bind", syscall.EADDRINUSE)), "ss -ltnp"},
		{fmt.Errorf("add nft chain: %w", syscall.EOPNOTSUPP), "modprobe"},
		{fmt.Errorf("kill: %w", syscall.ESRCH), "does not exist any more"},
		{fmt.Errorf("mknod /dev/x: %w", syscall.EPERM), "bind-mount the host's node"},
	} {
		require.Contains(t, Explain(c.err), c.says, "%v", c.err)
	}
}

func TestNothingToAdd(t *testing.T) {
	for _, err := range []error{nil, errors.New("the limit was not kept"), os.ErrDeadlineExceeded, fmt.Errorf("read: %w", syscall.EINTR)} {
		require.Empty(t, Explain(err), "%v", err)
	}
}

// On each of these machines, the same EPERM has another cause and another fix.
func TestMachineDecides(t *testing.T) {
	clone := &os.PathError{Op: "fork/exec", Path: "/proc/self/exe", Err: syscall.EPERM}
	pretend(t, 1000, true, map[string]string{"kernel/apparmor_restrict_unprivileged_userns": "1"})
	require.Contains(t, Explain(clone), "AppArmor")
	pretend(t, 0, false, map[string]string{"kernel/apparmor_restrict_unprivileged_userns": "1"})
	require.Contains(t, Explain(os.NewSyscallError("sethostname", syscall.EPERM)), "AppArmor")
	pretend(t, 1000, true, map[string]string{"kernel/unprivileged_userns_clone": "0"})
	require.Contains(t, Explain(clone), "Debian")
	pretend(t, 0, true, map[string]string{"kernel/unprivileged_userns_clone": "0"})
	require.Contains(t, Explain(clone), "Root in this process does not have it: see CapEff")
	machine.filter = func() bool { return true }
	require.Contains(t, Explain(clone), "does not have it, and has a seccomp filter")
	pretend(t, 0, true, nil, capSysAdmin)
	require.Contains(t, Explain(clone), "a security module")
	machine.filter = func() bool { return true }
	require.Contains(t, Explain(clone), "has it, but also a seccomp filter")
	pretend(t, 0, false, nil)
	require.Contains(t, Explain(fmt.Errorf("mount proc on /proc: %w", syscall.EPERM)), "masks a part")
	require.Contains(t, Explain(&os.PathError{Op: "mkdir", Path: "/sys/fs/cgroup/a", Err: syscall.EACCES}), "delegated")
}

// Only the limits explain ENOSPC from clone(2): the limit that is 0, for the kind of namespace that
// the error names, if it names one.
func TestLimitOnNamespaces(t *testing.T) {
	clone := fmt.Errorf("start PID 1: %w", os.NewSyscallError("clone3", syscall.ENOSPC))
	pretend(t, 0, true, nil)
	machine.filter = func() bool { return true }
	require.Contains(t, Explain(clone), "nested deeper than 32")
	for _, kind := range kinds {
		pretend(t, 0, true, map[string]string{"user/max_" + kind + "_namespaces": "0"})
		require.Contains(t, Explain(clone), "user.max_"+kind+"_namespaces is 0")
		require.NotContains(t, Explain(os.NewSyscallError("clone3", syscall.EPERM)), "max_")
	}
	pretend(t, 0, true, map[string]string{
		"user/max_user_namespaces": "0", "user/max_mnt_namespaces": "0", "user/max_time_namespaces": "0"})
	require.Contains(t, Explain(os.NewSyscallError("unshare(CLONE_NEWTIME)", syscall.ENOSPC)), "max_time")
	require.Contains(t, Explain(os.NewSyscallError("unshare(CLONE_NEWNS)", syscall.ENOSPC)), "max_mnt")
	require.Contains(t, Explain(os.NewSyscallError("unshare(CLONE_NEWNET)", syscall.ENOSPC)), "deeper than 32")
	require.Contains(t, NoUserNamespace(), "max_user_namespaces")
}

// Root needs CAP_SETFCAP to map UID 0 of the outer user namespace (user_namespaces(7)). An ordinary
// user does not.
func TestMapOfRootWithoutCapability(t *testing.T) {
	write := &os.PathError{Op: "write", Path: "/proc/7/uid_map", Err: syscall.EPERM}
	pretend(t, 0, true, nil)
	require.Contains(t, Explain(write), "CAP_SETFCAP")
	pretend(t, 0, true, nil, capSetfcap)
	require.NotContains(t, Explain(write), "CAP_SETFCAP")
	pretend(t, 1000, false, nil)
	require.NotContains(t, Explain(write), "CAP_SETFCAP")
}

// An explanation names an interpreter only if the error does. The explainer opens no file, because
// it could find another one under the same name.
func TestMissingInterpreter(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/no/such/shell -e\n"), 0o755))
	unseen := fmt.Errorf("exec %s: %w", script, syscall.ENOENT)
	require.NotContains(t, Explain(unseen), "/no/such/shell")
	missing := func(name string) error {
		return fmt.Errorf("exec /x: its interpreter %q is missing: %w", name, syscall.ENOENT)
	}
	require.Contains(t, Explain(missing("/no/such")), "into the container's root")
	require.Contains(t, Explain(missing("/bin/sh\r")), "carriage return")
}
