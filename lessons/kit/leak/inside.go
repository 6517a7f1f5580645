//go:build linux

package leak

import (
	"bytes"
	"errors"
	"fmt"
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

// Markers tell the attacker inside what to look for: the host's side of every probe.
type Markers struct {
	Secret   string      // what is to be found
	Victim   int         // a process that has the secret in its name, to be killed
	Hostname string      // the host's
	UTS      string      // /proc/self/ns/uts of the host
	MountOn  string      // a directory to mount on
	File     string      // a file that holds the secret, readable by all
	WriteTo  string      // an empty file, writable by all
	Segment  int         // a System V shared memory segment that holds the secret
	Port     int         // 127.0.0.1:Port answers with the secret
	Socket   string      // so does this abstract socket
	CgroupNS string      // /proc/self/ns/cgroup of the host
	Cgroups  []cgroupDir // directories of cgroups that a process of the host gets at
	Users    []byte      // the host's /etc/passwd
	Dev, Shm uint64      // the file systems at the host's /dev and /dev/shm, as st_dev; 0 if there is none
	Root     uint64      // the file system at the host's /, likewise
	// RootMount is the host's / as it stands in its mount table
	RootMount string
	Env       string // an environment variable that holds the secret
	OpenDir   uint64 // inode of a directory that the host left open
}

type answer struct {
	Probe string
	Leaks bool
	Saw   string
}

// attacker runs every probe inside the container so far.
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
		// The host looks at its victim while the attacker waits, and is alive to be looked at.
		if err := c.Receive(nil); err != nil {
			return err
		}
	}
	return nil
})

// refused tells an attack that failed by its error.
func refused(err error) (bool, string) { return false, errno.Name(err) }

// did is the verdict on an attack that is one call.
func did(err error, saw string) (bool, string) {
	if err != nil {
		return refused(err)
	}
	return true, saw
}

const forkTo = 300

// forkWithoutEnd forks until it is refused, or until forkTo: the fork itself is bounded, for the host's sake.
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
		return false, fmt.Sprintf("%v after %d", refusal, len(pids))
	}
	return true, fmt.Sprintf("%d, and no end", len(pids))
}

// forkIdle forks a process that only waits to be killed, and is killed when we are: as an ordinary user without a cgroup
// there is nothing else that would end it. The caller must be locked to its thread, whose death counts
// (PR_SET_PDEATHSIG). A fork of a Go program has one thread and no scheduler, so the child may do nothing but raw system
// calls.
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
		// If we had died before the call, another process would be its parent now.
		if now, _, _ := syscall.RawSyscall(unix.SYS_GETPPID, 0, 0, 0); now != parent {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
		}
		syscall.RawSyscall(unix.SYS_PPOLL, 0, 0, 0)
	}
}

const eatMiB = 384

// eater touches eatMiB of memory, page by page, and lives to tell if nobody minds.
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
		return false, "killed: " + err.Error()
	}
	return true, fmt.Sprintf("%d MiB, and no end", got)
}

// ask runs a child that may well be killed, sends it v and receives its answer.
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

// burnWithoutEnd spins on every CPU for a second. Limited to half a CPU it gets half a second; free, it gets more
// even on a machine that is busy with other things, because it spins in many threads, and each gets a share.
func burnWithoutEnd(Markers) (bool, string) {
	const free = 0.65
	used := 0.0
	for try := 0; try < 3 && used <= free; try++ {
		used = max(used, burn(time.Second))
	}
	return used > free, fmt.Sprintf("%.2f CPUs", used)
}

func burn(d time.Duration) float64 {
	// Not so many that the limit on processes, which counts threads, ends us.
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
	// By the time that has passed: threads without quota end late.
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
			return true, fmt.Sprintf("%d processes, the marker too", len(files))
		}
	}
	return false, fmt.Sprintf("%d processes", len(files))
}

func killProcess(m Markers) (bool, string) {
	// In a PID namespace of one's own the victim's number may be that of one of our threads: kill(2) would end us.
	if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", m.Victim)); err == nil {
		return false, fmt.Sprintf("%d is our own number", m.Victim)
	}
	// Or that of another process in there, which is not to be killed for it: hold the process, and look
	// which it is.
	fd, err := unix.PidfdOpen(m.Victim, 0)
	if err != nil {
		return refused(err)
	}
	defer unix.Close(fd)
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", m.Victim))
	if err == nil && !bytes.Contains(line, []byte(m.Secret)) {
		return false, fmt.Sprintf("%d is another process's number", m.Victim)
	}
	return did(unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0), "killed")
}

func seeHostname(m Markers) (bool, string) {
	name, err := os.Hostname()
	if err != nil {
		return refused(err)
	}
	// Both may be called the same by chance: then it is not the host's name that is seen.
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
	return bytes.Contains(mem, []byte(m.Secret)), "the secret"
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
	return strings.Contains(string(buf[:n]), m.Secret), "the secret"
}

// seeUptime reads the clock; whether it is the host's, the host can tell better.
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

// reportPID has nothing to do but to stay: the host looks at who we are.
func reportPID(Markers) (bool, string) { return false, "" }

func makeNode(m Markers) (bool, string) {
	dir, err := os.MkdirTemp("", "containerkit-node-")
	if err != nil {
		return refused(err)
	}
	defer os.RemoveAll(dir)
	return did(unix.Mknod(filepath.Join(dir, "disk"), unix.S_IFBLK|0o600, int(m.Root)), "made")
}

func raisePriority(Markers) (bool, string) {
	before, _ := unix.Getpriority(unix.PRIO_PROCESS, 0) // the raw call answers 20 - nice
	err := unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
	if err == nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 20-before)
	}
	return did(err, "done")
}

// changeSysctl opens a setting for writing and writes nothing: the kernel checks at open.
func changeSysctl(Markers) (bool, string) {
	f, err := os.OpenFile("/proc/sys/kernel/printk", os.O_WRONLY, 0)
	if err == nil {
		f.Close()
	}
	return did(err, "/proc/sys/kernel/printk opened for writing")
}

func readFile(m Markers) (bool, string) {
	raw, err := os.ReadFile(m.File)
	if err != nil {
		return refused(err)
	}
	return bytes.Contains(raw, []byte(m.Secret)), "the secret"
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
	return bytes.Equal(raw, m.Users), fmt.Sprintf("%d users", bytes.Count(raw, []byte("\n")))
}

// device tells which file system is at path.
func device(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Dev
}

func seeDevices(m Markers) (bool, string) {
	nodes, _ := os.ReadDir("/dev")
	return m.Dev != 0 && device("/dev") == m.Dev, fmt.Sprintf("%d nodes", len(nodes))
}

func seeShm(m Markers) (bool, string) {
	files, _ := os.ReadDir("/dev/shm")
	return m.Shm != 0 && device("/dev/shm") == m.Shm, fmt.Sprintf("files in it: %d", len(files))
}

func seeMounts(m Markers) (bool, string) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return refused(err)
	}
	return strings.Contains(string(raw), m.RootMount), fmt.Sprintf("%d mounts", strings.Count(string(raw), "\n"))
}

// escaper walks out of its root in the classic way: chroot into a directory while the working directory stays
// outside of it, climb, chroot there. Where there is no wall, it is out already.
var escaper = child.Register("leak-escape", func(c *child.Conn) error {
	var file string
	if err := c.Receive(&file); err != nil {
		return err
	}
	if dir, err := os.MkdirTemp("/", "containerkit-escape-"); err == nil { // in a root of its own it may write
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
	return strings.Contains(got, m.Secret), "the secret"
}

func readKernelFiles(Markers) (bool, string) {
	raw, err := os.ReadFile("/proc/interrupts")
	if err != nil {
		return refused(err)
	}
	return len(raw) > 0, fmt.Sprintf("/proc/interrupts: %d bytes", len(raw))
}

func readEnvironment(m Markers) (bool, string) {
	return os.Getenv(m.Env) == m.Secret, fmt.Sprintf("%d variables", len(os.Environ()))
}

func useDescriptor(m Markers) (bool, string) {
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		var st unix.Stat_t
		if n, err := strconv.Atoi(fd.Name()); err == nil && unix.Fstat(n, &st) == nil && st.Ino == m.OpenDir && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return true, "descriptor " + fd.Name()
		}
	}
	return false, ""
}

// dockerCaps are the capabilities that docker leaves by default, as bits: see package container.
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

// mountForItself makes a tmpfs that is attached nowhere.
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
	return did(err, "a tmpfs")
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

// namespacer starts itself once more in a user namespace: a threaded process cannot unshare one.
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
	return c.Send("made")
})

// idler says that it runs, and then does nothing until it is told to go.
var idler = child.Register("leak-idle", func(c *child.Conn) error {
	err := c.Send(true)
	c.Wait()
	return err
})

// useKeyring asks for the session key ring, without making one: any answer but EPERM or ENOSYS is an answer.
func useKeyring(Markers) (bool, string) {
	_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	return answered(err)
}

// changePersonality asks for addresses that an attacker can foresee (personality(2), ADDR_NO_RANDOMIZE), which the
// programs it starts would inherit, and takes it back.
func changePersonality(Markers) (bool, string) {
	const addrNoRandomize, ask = 0x0040000, 0xffffffff
	before, _, errno := unix.Syscall(unix.SYS_PERSONALITY, ask, 0, 0)
	if errno == 0 {
		_, _, errno = unix.Syscall(unix.SYS_PERSONALITY, before|addrNoRandomize, 0, 0)
		_, _, _ = unix.Syscall(unix.SYS_PERSONALITY, before, 0, 0)
	}
	return answered(errno)
}

func answered(err error) (bool, string) {
	if err == nil || err == syscall.Errno(0) {
		return true, "answered"
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EACCES) {
		return refused(err)
	}
	_, name := refused(err)
	return true, "the kernel answered " + name
}
