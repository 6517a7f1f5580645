//go:build linux

package leak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/errno"
)

// Markers has the host's side of every probe: what the attacker inside looks for.
type Markers struct {
	Secret    string      // a word to find
	Victim    int         // a process to kill, with the secret in its command line
	Hostname  string      // the host's
	UTS       string      // /proc/self/ns/uts of the host
	MountOn   string      // a directory to mount on
	File      string      // a file with the secret, which every user can read
	WriteTo   string      // an empty file, to which every user can write
	Segment   int         // a System V shared memory segment with the secret
	Port      int         // 127.0.0.1:Port answers with the secret
	Socket    string      // so does this abstract socket
	CgroupNS  string      // /proc/self/ns/cgroup of the host
	Cgroups   []cgroupDir // directories of cgroups that a process of the host reaches
	Users     []byte      // the host's /etc/passwd
	Dev, Shm  uint64      // the file systems at the host's /dev and /dev/shm, as st_dev; 0 if there is none
	Root      uint64      // the file system at the host's /, as st_dev
	RootMount string      // the mount of the host's /, as in its mountinfo
	Env       string      // an environment variable with the secret
	OpenDir   uint64      // inode of a directory that the host left open
}

type answer struct {
	Probe string
	Leaks bool
	Saw   string
}

// attacker runs every probe in the container.
var attacker = child.Register("leaks", func(c *child.Conn) error {
	var m Markers
	if err := c.Receive(&m); err != nil {
		return err
	}
	for _, p := range Probes {
		leaks, saw := p.inside(m)
		if err := c.Send(answer{p.Name, leaks, saw}); err != nil {
			return err
		}
		// The attacker waits while the host checks the victim and the attacker.
		if err := c.Receive(nil); err != nil {
			return err
		}
	}
	return nil
})

// refused returns the result of an attack that failed with an error.
func refused(err error) (bool, string) { return false, errno.Name(err) }

// did returns the result of an attack that is one call.
func did(err error, saw string) (bool, string) {
	if err != nil {
		return refused(err)
	}
	return true, saw
}

// plural returns a number with its noun.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

const forkTo = 300

// forkWithoutEnd forks until fork(2) fails, or up to forkTo processes, to protect the host.
func forkWithoutEnd(Markers) (bool, string) {
	var pids []int
	var refusal error
	for len(pids) < forkTo {
		pid, errno := forkIdle()
		if errno != 0 {
			refusal = errno
			break
		}
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	for _, pid := range pids {
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}
	if refusal != nil {
		return false, fmt.Sprintf("%s after %d processes", errno.Name(refusal), len(pids))
	}
	return true, fmt.Sprintf("%d processes, no error", len(pids))
}

// forkIdle forks a process that waits until it is killed, at the latest when we exit: without a
// cgroup, nothing else would terminate an ordinary user's process. The caller must be locked to its
// thread, because the exit of that thread kills the child (prctl(2), PR_SET_PDEATHSIG). A fork of a
// Go program has one thread and no scheduler, so the child makes only raw system calls.
//
//go:noinline
//go:norace
func forkIdle() (int, syscall.Errno) {
	parent := uintptr(os.Getpid())
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0)
	for {
		// If we exited before the prctl, another process is its parent now.
		if now, _, _ := syscall.RawSyscall(unix.SYS_GETPPID, 0, 0, 0); now != parent {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
		}
		syscall.RawSyscall(unix.SYS_PPOLL, 0, 0, 0)
	}
}

const eatMiB = 384

// eater writes to each page of eatMiB of memory, and reports the size if it is not killed.
var eater = child.Register("leak-eat", func(c *child.Conn) error {
	mem, err := unix.Mmap(-1, 0, eatMiB<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	for i := 0; i < len(mem); i += os.Getpagesize() {
		mem[i] = 1
	}
	return c.Send(len(mem) >> 20)
})

func eatWithoutEnd(Markers) (bool, string) {
	var got int
	if err := ask(eater, nil, &got); err != nil {
		if errors.Is(err, io.EOF) {
			return false, "the process was killed"
		}
		return refused(err)
	}
	return true, fmt.Sprintf("%d MiB, no error", got)
}

// ask runs a child, sends it v and receives its answer. If the child is killed, the error is
// io.EOF.
func ask(name string, v, answer any) error {
	p, err := child.Command(name)
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	defer p.Close()
	if v != nil {
		if err := p.Send(v); err != nil {
			return err
		}
	}
	return p.Receive(answer)
}

// burnWithoutEnd spins on every CPU for a second. With a limit of half a CPU it gets half a second.
// Without one it gets more, even on a busy machine, because each of its many threads gets a share.
func burnWithoutEnd(Markers) (bool, string) {
	const free = 0.65
	used := 0.0
	for try := 0; try < 3 && used <= free; try++ {
		used = max(used, burn(time.Second))
	}
	return used > free, fmt.Sprintf("%.2f CPUs", used)
}

func burn(d time.Duration) float64 {
	// The limit on processes counts threads, too.
	threads := min(8*runtime.NumCPU(), 64)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
	began, start := time.Now(), cpuTime()
	end := began.Add(d)
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			for time.Now().Before(end) {
			}
		})
	}
	wg.Wait()
	// Divide by the time that has passed, because throttled threads stop late.
	return float64(cpuTime()-start) / float64(time.Since(began))
}

func cpuTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

func seeProcesses(m Markers) (bool, string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if line, _ := os.ReadFile(f); bytes.Contains(line, []byte(m.Secret)) && f != "/proc/self/cmdline" {
			return true, fmt.Sprintf("it sees %d, the marker too", len(files))
		}
	}
	return false, fmt.Sprintf("it sees %d, its own", len(files))
}

func killProcess(m Markers) (bool, string) {
	// In its own PID namespace, one of our threads can have the victim's PID.
	if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", m.Victim)); err == nil {
		return false, "the PID is its own"
	}
	// Another process inside can have it, too, and must not be killed: hold the process, then look.
	fd, err := unix.PidfdOpen(m.Victim, 0)
	if err != nil {
		return refused(err)
	}
	defer unix.Close(fd)
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", m.Victim))
	if err == nil && !bytes.Contains(line, []byte(m.Secret)) {
		return false, "the PID is another process's"
	}
	return did(unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0), "killed")
}

func seeHostname(m Markers) (bool, string) {
	name, err := os.Hostname()
	if err != nil {
		return refused(err)
	}
	// Host and container can have the same name by chance.
	ns, err := os.Readlink("/proc/self/ns/uts")
	return name == m.Hostname && (err != nil || ns == m.UTS), name
}

func mountInside(m Markers) (bool, string) {
	return did(unix.Mount(m.Secret, m.MountOn, "tmpfs", 0, ""), "mounted")
}

func readSharedMemory(m Markers) (bool, string) {
	mem, err := unix.SysvShmAttach(m.Segment, 0, unix.SHM_RDONLY)
	if err != nil {
		return refused(err)
	}
	defer func() { _ = unix.SysvShmDetach(mem) }()
	return bytes.Contains(mem, []byte(m.Secret)), "read the secret"
}

func reachPort(m Markers) (bool, string)   { return dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.Port), m) }
func reachSocket(m Markers) (bool, string) { return dial("unix", "@"+m.Socket, m) }

func dial(network, address string, m Markers) (bool, string) {
	conn, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		return refused(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	buf := make([]byte, 256)
	n, _ := conn.Read(buf)
	return strings.Contains(string(buf[:n]), m.Secret), "got the secret"
}

// seeUptime reads the uptime. The host compares it with its own.
func seeUptime(Markers) (bool, string) {
	raw, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return refused(err)
	}
	seconds, _, _ := strings.Cut(string(raw), " ")
	return true, seconds + "s"
}

func seeCgroup(m Markers) (bool, string) {
	ns, err := os.Readlink("/proc/self/ns/cgroup")
	if err != nil {
		return refused(err)
	}
	raw, _ := os.ReadFile("/proc/self/cgroup")
	paths := map[string]bool{}
	var list []string
	for line := range strings.Lines(string(raw)) {
		_, path, _ := strings.Cut(strings.TrimSpace(line[strings.Index(line, ":")+1:]), ":")
		if !paths[path] {
			paths[path] = true
			list = append(list, path)
		}
	}
	return ns == m.CgroupNS, strings.Join(list, " ")
}

// reportPID does nothing: the host looks up the attacker's UID.
func reportPID(Markers) (bool, string) { return false, "" }

func makeNode(m Markers) (bool, string) {
	dir, err := os.MkdirTemp("", "containerkit-node-")
	if err != nil {
		return refused(err)
	}
	defer os.RemoveAll(dir)
	return did(unix.Mknod(filepath.Join(dir, "disk"), unix.S_IFBLK|0o600, int(m.Root)), "created")
}

func raisePriority(Markers) (bool, string) {
	before, _ := unix.Getpriority(unix.PRIO_PROCESS, 0) // the raw call returns 20 - nice
	err := unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
	if err == nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 20-before)
	}
	return did(err, "set to -20")
}

// changeSysctl opens a setting for writing and writes nothing: the kernel checks at open.
func changeSysctl(Markers) (bool, string) {
	f, err := os.OpenFile("/proc/sys/kernel/printk", os.O_WRONLY, 0)
	if err == nil {
		f.Close()
	}
	return did(err, "kernel.printk opened for writing")
}

func readFile(m Markers) (bool, string) {
	raw, err := os.ReadFile(m.File)
	if err != nil {
		return refused(err)
	}
	return bytes.Contains(raw, []byte(m.Secret)), "read the secret"
}

func writeFile(m Markers) (bool, string) {
	f, err := os.OpenFile(m.WriteTo, os.O_WRONLY, 0)
	if err != nil {
		return refused(err)
	}
	defer f.Close()
	_, err = f.WriteString(m.Secret)
	return did(err, "written")
}

func readUsers(m Markers) (bool, string) {
	raw, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return refused(err)
	}
	return bytes.Equal(raw, m.Users), plural(bytes.Count(raw, []byte("\n")), "user")
}

// device returns the file system at path, as st_dev.
func device(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Dev
}

func seeDevices(m Markers) (bool, string) {
	nodes, _ := os.ReadDir("/dev")
	return m.Dev != 0 && device("/dev") == m.Dev, fmt.Sprintf("%d entries", len(nodes))
}

func seeShm(m Markers) (bool, string) {
	files, _ := os.ReadDir("/dev/shm")
	return m.Shm != 0 && device("/dev/shm") == m.Shm, plural(len(files), "file")
}

func seeMounts(m Markers) (bool, string) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return refused(err)
	}
	return strings.Contains(string(raw), m.RootMount), plural(strings.Count(string(raw), "\n"), "mount")
}

// escaper escapes from its root in the classic way: it calls chroot for a directory while its
// working directory stays outside, then changes to the parent directories and calls chroot again.
var escaper = child.Register("leak-escape", func(c *child.Conn) error {
	var file string
	if err := c.Receive(&file); err != nil {
		return err
	}
	// In its own root it can create a directory.
	if dir, err := os.MkdirTemp("/", "containerkit-escape-"); err == nil {
		defer os.Remove(dir)
		if unix.Chroot(dir) == nil {
			for range 64 {
				_ = os.Chdir("..")
			}
			_ = unix.Chroot(".")
		}
		_ = os.Remove(filepath.Join("/", filepath.Base(dir)))
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return c.Send(string(raw))
})

func escapeRoot(m Markers) (bool, string) {
	var got string
	if err := ask(escaper, m.File, &got); err != nil {
		return refused(err)
	}
	return strings.Contains(got, m.Secret), "read the secret"
}

func readKernelFiles(Markers) (bool, string) {
	raw, err := os.ReadFile("/proc/interrupts")
	if err != nil {
		return refused(err)
	}
	return len(raw) > 0, fmt.Sprintf("%d bytes", len(raw))
}

func readEnvironment(m Markers) (bool, string) {
	return os.Getenv(m.Env) == m.Secret, plural(len(os.Environ()), "variable")
}

func useDescriptor(m Markers) (bool, string) {
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		var st unix.Stat_t
		if n, err := strconv.Atoi(fd.Name()); err == nil && unix.Fstat(n, &st) == nil && st.Ino == m.OpenDir && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return true, "file descriptor " + fd.Name()
		}
	}
	return false, "none open"
}

// dockerCaps are Docker's default capabilities, as bits: see package container.
const dockerCaps = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FSETID | 1<<unix.CAP_FOWNER | 1<<unix.CAP_MKNOD |
	1<<unix.CAP_NET_RAW | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETFCAP | 1<<unix.CAP_SETPCAP |
	1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_SYS_CHROOT | 1<<unix.CAP_KILL | 1<<unix.CAP_AUDIT_WRITE

func countCapabilities(Markers) (bool, string) {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return refused(err)
	}
	for line := range strings.Lines(string(raw)) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return err != nil || caps&^dockerCaps != 0, fmt.Sprintf("CapEff %x", caps)
		}
	}
	return true, "no CapEff"
}

// mountForItself mounts a detached tmpfs.
func mountForItself(Markers) (bool, string) {
	fd, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return refused(err)
	}
	defer unix.Close(fd)
	if err := unix.FsconfigCreate(fd); err != nil {
		return refused(err)
	}
	mnt, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, 0)
	if err == nil {
		unix.Close(mnt)
	}
	return did(err, "a detached tmpfs")
}

func mayGainPrivileges(Markers) (bool, string) {
	set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	return err != nil || set == 0, fmt.Sprintf("no_new_privs %d", set)
}

func makeUserNamespace(Markers) (bool, string) {
	var got string
	if err := ask(namespacer, nil, &got); err != nil {
		return refused(err)
	}
	return true, got
}

// namespacer re-executes itself in a user namespace, because a threaded process can't unshare one.
var namespacer = child.Register("leak-userns", func(c *child.Conn) error {
	p, err := child.Command(idler)
	if err != nil {
		return err
	}
	p.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
	if err := p.Start(); err != nil {
		return err
	}
	defer p.Close()
	return c.Send("created")
})

// idler reports that it runs, and then waits until the parent closes the conversation.
var idler = child.Register("leak-idle", func(c *child.Conn) error {
	err := c.Send(true)
	c.Wait()
	return err
})

// useKeyring requests the session keyring, without creating one. It leaks with any result except
// EPERM, ENOSYS and EACCES.
func useKeyring(Markers) (bool, string) {
	_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	return answered("keyctl(2)", err)
}

// changePersonality turns off address space layout randomization (ASLR), also for programs that it
// would start, and turns it on again (personality(2), ADDR_NO_RANDOMIZE).
func changePersonality(Markers) (bool, string) {
	const addrNoRandomize, ask = 0x0040000, 0xffffffff
	before, _, errno := unix.Syscall(unix.SYS_PERSONALITY, ask, 0, 0)
	if errno == 0 {
		_, _, errno = unix.Syscall(unix.SYS_PERSONALITY, before|addrNoRandomize, 0, 0)
		_, _, _ = unix.Syscall(unix.SYS_PERSONALITY, before, 0, 0)
	}
	return answered("personality(2)", errno)
}

func answered(call string, err error) (bool, string) {
	if err == nil || err == syscall.Errno(0) {
		return true, call + " answered"
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EACCES) {
		return refused(err)
	}
	_, name := refused(err)
	return true, call + " answered " + name
}
