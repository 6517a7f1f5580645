//go:build linux

package errno_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/errno"
)

var update = flag.Bool("update", false, "write docs/errnos.md from the table of this test")

// A row of docs/errnos.md is an errno and a call that fails with it.
type row struct {
	number syscall.Errno
	call   string
	why    string
	man    string
	hand   string  // a command that fails with it, in an empty directory
	says   string  // what the command prints, if it is not the errno's text
	new    uintptr // clone(2) flags of the namespaces in which the call is made; 0 is none
	nobody bool    // in a user namespace without an ID map
	try    func(dir string) error
}

// unprivileged begins each command by hand that needs root in new namespaces.
const unprivileged = "unshare --user --map-root-user"

// in returns clone(2) flags for namespaces in which a row can do what only root can, without an
// effect on the host.
func in(others uintptr) uintptr { return unix.CLONE_NEWUSER | others }

// met is the table of docs/errnos.md, in the order of the names. Each call runs in its own process,
// so that a limit or a mount goes away when the process exits. No row needs a privilege: root in a
// new user namespace does what only root can do.
var met = []row{
	{number: unix.E2BIG, call: "execve(2) with an argument of 3 MB", man: "execve(2)",
		why:  "One argument can have 32 pages. Arguments and environment together can have a quarter of the stack limit, and at most 6 MiB. From clone3(2), openat2(2) or mount_setattr(2) it means that the kernel does not know the last fields of the structure: it is older than the program.",
		hand: "sh -c '/bin/true $(seq 1000000)'",
		try:  func(string) error { return exec.Command("/bin/true", strings.Repeat("x", 3<<20)).Run() }},
	{number: unix.EACCES, call: "execve(2) of a file without the x bit", man: "execve(2)",
		why:  "The file's mode does not allow it, or its mount is noexec. Both apply to root, too.",
		hand: "sh -c 'echo true > plain; ./plain'",
		try:  func(dir string) error { return exec.Command(file(dir, "plain", "#!/bin/sh\n", 0o644)).Run() }},
	{number: unix.EADDRINUSE, call: "bind(2) to a port on which another socket listens", man: "bind(2), ip(7)",
		why:  "In a network namespace, only one socket can listen on an address and port. In another namespace, the same port is free.",
		hand: `perl -MSocket -e 'for $s (1,2) { socket($s,AF_INET,SOCK_STREAM,0); bind($s,$a//sockaddr_in(0,INADDR_LOOPBACK)) or die "$!\n"; listen($s,1); $a=getsockname($s) }'`,
		try: func(string) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(err)
			defer l.Close()
			_, err = net.Listen("tcp", l.Addr().String())
			return err
		}},
	{number: unix.EADDRNOTAVAIL, call: "bind(2) to 192.0.2.1, an address that no link has", man: "bind(2), network_namespaces(7)",
		why:  "No link in this network namespace has the address. The host's addresses do not exist in a container's network namespace.",
		hand: `perl -MSocket -e 'socket(S,AF_INET,SOCK_STREAM,0); bind(S,sockaddr_in(0,inet_aton("192.0.2.1"))) or die "$!\n"'`,
		try: func(string) error {
			l, err := net.Listen("tcp", "192.0.2.1:0")
			if err == nil {
				l.Close()
			}
			return err
		}},
	{number: unix.EAGAIN, call: "read(2) of an empty pipe with O_NONBLOCK", man: "read(2), fork(2)",
		why:  "There is nothing to read yet: try again. From fork(2) it means that a limit is reached: pids.max or RLIMIT_NPROC.",
		hand: "sh -c 'mkfifo pipe; exec 3<>pipe; dd if=pipe iflag=nonblock'",
		try: func(string) error {
			var p [2]int
			must(unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
			_, err := unix.Read(p[0], make([]byte, 1))
			return err
		}},
	{number: unix.EBUSY, call: "rmdir(2) of a directory on which something is mounted", man: "rmdir(2), umount(2), cgroups(7)", new: in(unix.CLONE_NEWNS),
		why:  "The object is in use: a mount point, a mount with open files (umount), a cgroup with processes (rmdir), or a cgroup with processes that should enable controllers for its children (cgroup.subtree_control).",
		hand: unprivileged + " --mount sh -c 'mkdir m; mount -t tmpfs none m; rmdir m'",
		try: func(dir string) error {
			must(unix.Mount("none", dir, "tmpfs", 0, ""))
			return unix.Rmdir(dir)
		}},
	{number: unix.ECHILD, call: "wait4(2) for a process that is not a child", man: "wait(2), pidfd_open(2)",
		why:  "Only the parent can wait for a process. To wait for a process that is not your child, poll a pidfd.",
		hand: `perl -e 'waitpid($$,0) < 0 and die "$!\n"'`,
		try: func(string) error {
			_, err := unix.Wait4(os.Getpid(), nil, unix.WNOHANG, nil)
			return err
		}},
	{number: unix.ECONNREFUSED, call: "connect(2) to a port on which no socket listens", man: "connect(2)",
		why:  "The packet arrived, and no process listens on the port there. Often the server listens in another network namespace.",
		hand: "bash -c 'echo > /dev/tcp/127.0.0.1/1'",
		try: func(string) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(err)
			must(l.Close())
			_, err = net.Dial("tcp", l.Addr().String())
			return err
		}},
	{number: unix.EEXIST, call: "mkdir(2) of a directory that exists", man: "mkdir(2)",
		why:  "mkdir also creates cgroups, so the second run with the same name fails here.",
		hand: "mkdir /tmp",
		try:  func(dir string) error { return unix.Mkdir(dir, 0o755) }},
	{number: unix.EFAULT, call: "chroot(2) with an address at which no memory is mapped", man: "chroot(2)",
		why:  "The kernel cannot read what a pointer points to. In Go, that needs package unsafe: usually a wrong structure for a new system call.",
		hand: `perl -e 'pipe(R,W); ioctl(R,0x541B,1) or die "$!\n"'`,
		try: func(string) error {
			_, _, number := unix.Syscall(unix.SYS_CHROOT, 1, 0, 0)
			return number
		}},
	{number: unix.EINVAL, call: "pivot_root(2) to a directory that is not a mount point", man: "pivot_root(2)", new: in(unix.CLONE_NEWNS),
		why:  "The new root must be a mount point, and the propagation of its mount and of the parent mount must not be shared. Outside of a user namespace, a directory on the old root's own mount gives EBUSY instead.",
		hand: unprivileged + " --mount pivot_root . .",
		try: func(dir string) error {
			must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
			return unix.PivotRoot(dir, dir)
		}},
	{number: unix.EINVAL, call: "unshare(2) of a user namespace in a program with threads", man: "unshare(2)",
		why: "All threads of a process must be in the same user namespace. A Go program has several threads, so it creates a child with the clone flag instead.",
		try: func(string) error { return unix.Unshare(unix.CLONE_NEWUSER) }},
	{number: unix.ELOOP, call: "open(2) of a symbolic link to itself", man: "path_resolution(7), openat2(2)",
		why:  "The path has more than 40 symbolic links. With O_NOFOLLOW (for the last name) or RESOLVE_NO_SYMLINKS, one is too many.",
		hand: "sh -c 'ln -s self self; cat self'",
		try: func(dir string) error {
			must(os.Symlink("self", filepath.Join(dir, "self")))
			return open(filepath.Join(dir, "self"))
		}},
	{number: unix.EMFILE, call: "open(2) with as many files open as RLIMIT_NOFILE allows", man: "getrlimit(2)",
		why:  "RLIMIT_NOFILE limits one process. If the whole machine has too many open files, the error is ENFILE.",
		hand: "sh -c 'ulimit -n 3; : < /dev/null'",
		try: func(string) error {
			must(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 3}))
			_, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			return err
		}},
	{number: unix.ENETUNREACH, call: "connect(2) to 192.0.2.1 in a new network namespace", man: "connect(2), network_namespaces(7)", new: in(unix.CLONE_NEWNET),
		why:  "There is no route to the address. A new network namespace has no routes at all.",
		hand: unprivileged + " --net ip route get 192.0.2.1",
		try: func(string) error {
			_, err := net.DialTimeout("tcp", "192.0.2.1:1", time.Second)
			return err
		}},
	{number: unix.ENODEV, call: "mount(2) of a file system type that the kernel does not know", man: "mount(2), filesystems(5)", new: in(unix.CLONE_NEWNS),
		why:  "The type is not in /proc/filesystems, and no module provides it. A kernel without overlayfs fails like this.",
		hand: unprivileged + " --mount mount -t missingfs none .", says: "unknown filesystem type",
		try: func(dir string) error { return unix.Mount("none", dir, "missingfs", 0, "") }},
	{number: unix.ENOENT, call: "open(2) of a file that does not exist", man: "open(2), execve(2)",
		why:  "From execve(2), it can mean that the file exists and its interpreter does not: the dynamic loader, or the program after #!.",
		hand: "sh -c 'printf \"#!/missing\\n\" > script; chmod +x script; ls script; ./script'", says: "not found|no such file|bad interpreter",
		try: func(dir string) error { return open(filepath.Join(dir, "missing")) }},
	{number: unix.ENOEXEC, call: "execve(2) of a file in no format that the kernel knows", man: "execve(2)",
		why:  "The file has neither an ELF header nor a #! line, or it is an ELF file for another processor. A shell then reads it as a script.",
		hand: "bash -c 'printf \"\\177ELF\\0\" > head; chmod +x head; ./head'",
		try:  func(dir string) error { return exec.Command(file(dir, "headless", "echo hello\n", 0o755)).Run() }},
	{number: unix.ENOMEM, call: "fork(2) into a PID namespace whose PID 1 has exited", man: "pid_namespaces(7)", new: in(0),
		why:  "Without PID 1, no process can be created in the namespace. It is the usual result of unshare --pid without --fork. Or the machine really has no memory left.",
		hand: unprivileged + " --pid bash -c '/bin/true; /bin/true; /bin/true'",
		try: func(string) error {
			runtime.LockOSThread() // each thread has its own namespace for children
			must(unix.Unshare(unix.CLONE_NEWPID))
			if err := exec.Command("/bin/true").Run(); err != nil {
				return err // package os tests pidfds with a child: that child was PID 1
			}
			return exec.Command("/bin/true").Run()
		}},
	{number: unix.ENOSPC, call: "clone(2) of a user namespace when user.max_user_namespaces is reached", man: "namespaces(7), user_namespaces(7)", new: in(0),
		why:  "A limit is reached, and no disk is full. More than 32 nested user or PID namespaces give the same error. Before Linux 4.9 it was EUSERS.",
		hand: unprivileged + " sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; unshare --user true'",
		try: func(string) error {
			// The limit belongs to our new user namespace, and goes away with it.
			must(os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0))
			c := exec.Command("/bin/true")
			c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
			return c.Run()
		}},
	{number: unix.ENOSPC, call: "write(2) to /dev/full", man: "full(4), cpuset(7)",
		why:  "The device is full, always. On other file systems, the disk or a quota is. From a cpuset of cgroup v1 it means that cpuset.cpus or cpuset.mems is not set.",
		hand: "dd if=/dev/zero of=/dev/full count=1",
		try: func(string) error {
			f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			must(err)
			_, err = f.WriteString("x")
			return err
		}},
	{number: unix.ENOSYS, call: "a system call with a number that the kernel does not have", man: "syscalls(2), seccomp(2)",
		why:  "The kernel is too old. Or a seccomp filter pretends that it is, so that programs fall back to an older call.",
		hand: `perl -e 'syscall(9999) < 0 and die "$!\n"'`, says: "function not implemented",
		try: func(string) error {
			_, _, number := unix.Syscall(9999, 0, 0, 0)
			return number
		}},
	{number: unix.ENOTDIR, call: "open(2) of /dev/null/x", man: "path_resolution(7)",
		why:  "A part of the path is a file and not a directory. A bind mount of a directory onto a file fails with the same error.",
		hand: "cat /dev/null/x",
		try:  func(string) error { return open("/dev/null/x") }},
	{number: unix.ENOTTY, call: "ioctl(2) TIOCGWINSZ of /dev/null", man: "ioctl(2), ioctl_tty(2)",
		why:  "The file is not a terminal, so it has no window size. Programs use this error to find out whether they write to a terminal.",
		hand: "sh -c 'stty < /dev/null'",
		try: func(string) error {
			fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			must(err)
			_, err = unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
			return err
		}},
	{number: unix.EOPNOTSUPP, call: "RTM_NEWLINK over netlink for a link type that the kernel does not know", man: "rtnetlink(7)", new: in(unix.CLONE_NEWNET),
		why:  "No module provides the type. A kernel without veth or bridge fails like this. From cgroup.procs it means that the cgroup is threaded (read), or domain invalid, below a threaded one (write).",
		hand: unprivileged + " --net ip link add x type nosuch", says: "unknown device type|not supported",
		try: func(string) error {
			return netlink.LinkAdd(&netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Name: "x"}, LinkType: "nosuch"})
		}},
	{number: unix.EOVERFLOW, call: "mkdir(2) on a tmpfs of a user namespace in which the caller's UID is not mapped", man: "user_namespaces(7)", new: in(unix.CLONE_NEWNS), nobody: true,
		why:  "The file system cannot store the owner of the new directory: the user namespace has no mapping for the UID.",
		hand: "unshare --user --keep-caps --mount sh -c 'mount -t tmpfs none /mnt; mkdir /mnt/x'", says: "too large",
		try: func(dir string) error {
			must(unix.Mount("none", dir, "tmpfs", 0, ""))
			return unix.Mkdir(filepath.Join(dir, "x"), 0o755)
		}},
	{number: unix.EPERM, call: "mknod(2) of a device by root in a user namespace", man: "mknod(2), capabilities(7)", new: in(unix.CLONE_NEWNS),
		why:  "Root there has every capability, but only over what its user namespace owns. A device belongs to the initial user namespace.",
		hand: unprivileged + " mknod null c 1 3",
		try: func(dir string) error {
			return unix.Mknod(filepath.Join(dir, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))
		}},
	{number: unix.EROFS, call: "mkdir(2) on a tmpfs that is mounted read-only", man: "mount(2)", new: in(unix.CLONE_NEWNS),
		why:  "The file system is read-only, or this mount of it is. That applies to root, too.",
		hand: unprivileged + " --mount sh -c 'mount -t tmpfs -o ro none /mnt; mkdir /mnt/x'",
		try: func(dir string) error {
			must(unix.Mount("none", dir, "tmpfs", unix.MS_RDONLY, ""))
			return unix.Mkdir(filepath.Join(dir, "x"), 0o755)
		}},
	{number: unix.ESRCH, call: "kill(2) of a process that has exited and was reaped", man: "kill(2)",
		why:  "There is no such process. A zombie still exists, so kill(2) succeeds until its parent reaps it.",
		hand: "sh -c 'sleep 0 & wait $!; kill -0 $!'",
		try: func(string) error {
			c := exec.Command("/bin/true")
			must(c.Run())
			return unix.Kill(c.ProcessState.Pid(), 0)
		}},
	{number: unix.ETXTBSY, call: "execve(2) of a file that is open for writing", man: "execve(2)",
		why:  "A process still has the program open for writing. A Go program that writes a file and then executes it fails like this if another thread forks in between: the child inherits the open file descriptor. Linux 6.11 and the first releases of 6.12 allow it.",
		hand: "sh -c 'cp /bin/true busy; exec 3<>busy; ./busy'",
		try: func(dir string) error {
			name := file(dir, "busy", "", 0o755)
			_, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
			must(err)
			return exec.Command(name).Run()
		}},
	{number: unix.EXDEV, call: "link(2) from /proc into a directory elsewhere", man: "link(2), rename(2)",
		why:  "A hard link cannot cross from one mount to another. Neither can rename(2), so mv copies the file.",
		hand: "ln /proc/self/status status",
		try:  func(dir string) error { return unix.Link("/proc/self/status", filepath.Join(dir, "status")) }},
}

// name returns an errno's name. EOPNOTSUPP is also ENOTSUP; clone(2) and the kernel's documents say
// EOPNOTSUPP.
func name(n syscall.Errno) string {
	if n == unix.EOPNOTSUPP {
		return "EOPNOTSUPP"
	}
	return unix.ErrnoName(n)
}

// must panics if a call fails that must succeed before the call of the row.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func open(name string) error {
	f, err := os.Open(name)
	if err == nil {
		f.Close()
	}
	return err
}

func file(dir, name, text string, mode os.FileMode) string {
	path := filepath.Join(dir, name)
	must(os.WriteFile(path, []byte(text), mode))
	must(os.Chmod(path, mode)) // whatever the umask is
	return path
}

// rowEnv is the variable with the number of the row that a child of this test tries. The child's
// argument is its directory.
const rowEnv = "CONTAINERKIT_ERRNO_ROW"

func TestMain(m *testing.M) {
	if i, err := strconv.Atoi(os.Getenv(rowEnv)); err == nil {
		os.Unsetenv(rowEnv)
		var number syscall.Errno
		if err := met[i].try(os.Args[1]); !errors.As(err, &number) {
			fmt.Fprintf(os.Stderr, "no errno: %v\n", err)
			os.Exit(1)
		}
		// The exit status is the errno: some rows leave no file descriptor free, and all errnos are
		// below 134.
		os.Exit(int(number))
	}
	os.Exit(m.Run())
}

// provoke makes the call of a row in its own process, and returns the errno.
func provoke(i int, dir string) (syscall.Errno, error) {
	r := met[i]
	c := exec.Command("/proc/self/exe", dir)
	c.Env = append(os.Environ(), rowEnv+"="+strconv.Itoa(i))
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: r.new, Pdeathsig: syscall.SIGKILL}
	switch {
	case r.nobody: // its UID is not mapped there, so execve(2) would clear capabilities that are not ambient
		c.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	case r.new != 0:
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	var errs bytes.Buffer
	c.Stderr = &errs
	runtime.LockOSThread() // Pdeathsig is for the exit of the thread that forked
	defer runtime.UnlockOSThread()
	err := c.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() < 3 && errs.Len() > 0 {
		return 0, fmt.Errorf("%w: %s", err, &errs)
	}
	return syscall.Errno(exit.ExitCode()), nil
}

// userNamespace returns why root in a new user namespace can't mount here, or nothing if it can.
var userNamespace = sync.OnceValue(func() string {
	c := exec.Command("unshare", "--user", "--map-root-user", "--mount", "--net", "mount", "-t", "tmpfs", "none", "/mnt")
	if out, err := c.CombinedOutput(); err != nil {
		return strings.TrimSpace(fmt.Sprintf("%s: %v %s %s", strings.Join(c.Args, " "), err, out, errno.NoUserNamespace()))
	}
	return ""
})

func TestEachErrnoOfTheBookIsGivenByItsCall(t *testing.T) {
	for i, r := range met {
		t.Run(name(r.number), func(t *testing.T) {
			if why := userNamespace(); r.new != 0 && why != "" {
				t.Skip(why)
			}
			got, err := provoke(i, t.TempDir())
			require.NoError(t, err, r.call)
			require.Equal(t, name(r.number), name(got), r.call)
		})
	}
}

func TestEachErrnoOfTheBookIsSeenByHand(t *testing.T) {
	for _, r := range met {
		if r.hand == "" {
			continue // it needs a program with threads
		}
		t.Run(name(r.number), func(t *testing.T) {
			if why := userNamespace(); strings.HasPrefix(r.hand, "unshare") && why != "" {
				t.Skip(why)
			}
			for _, tool := range []string{"perl", "bash", "ip", "stty", "pivot_root"} {
				if _, err := exec.LookPath(tool); err != nil && strings.Contains(" "+r.hand, " "+tool+" ") {
					t.Skip(err)
				}
			}
			c := exec.Command("sh", "-c", r.hand)
			c.Dir, c.Env = t.TempDir(), append(os.Environ(), "LC_ALL=C")
			out, err := c.CombinedOutput()
			require.Error(t, err, "%s\n%s", r.hand, out)
			says := r.says
			if says == "" {
				says = r.number.Error()
			}
			require.Regexp(t, "(?i)"+says, string(out), r.hand)
		})
	}
}

func TestTheBookHasTheTableOfErrnos(t *testing.T) {
	const page = "../../../docs/errnos.md"
	var b strings.Builder
	b.WriteString(`# Errnos

If a system call fails, the kernel says why with a number, the errno.
What it means depends on the call: EINVAL from pivot_root(2) has other causes than EINVAL from unshare(2).
So the errors of this course name both, and say what to do ([lessons/kit/errno](../lessons/kit/errno/rules.go)).

Each row below is tested: a test makes the call, as root and as an ordinary user, and compares the errno.

<!-- errnos: go test ./lessons/kit/errno -update -->
| errno | text | a call that gives it | why | man page |
| --- | --- | --- | --- | --- |
`)
	for i, r := range met {
		require.True(t, i == 0 || name(met[i-1].number)+met[i-1].call < name(r.number)+r.call, "the table is in alphabetical order: %s", r.call)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name(r.number), r.number.Error(), r.call, r.why, r.man)
	}
	b.WriteString(`
## See it by hand

Type these commands in an empty directory: each one fails with its errno, and the test runs them, too.
None needs root, except those with ` + "`unshare`" + ` on Ubuntu 24.04 and later.
` + "`perl`" + ` makes the calls that a shell can't make.
The EINVAL of threads isn't here, because it needs a program with threads.
The command prints the text that you see; only the errno comes from the kernel.

`)
	for _, r := range met {
		if r.hand != "" {
			fmt.Fprintf(&b, "    %s   # %s\n", r.hand, name(r.number))
		}
	}
	b.WriteString("<!-- end -->\n")
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(b.String()), 0o644))
	}
	have, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(have), "go test ./lessons/kit/errno -update writes it")
}
