//go:build linux

package leak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/scratch"
)

// A host holds the markers that stand in for the host, and removes them in close.
type host struct {
	m   Markers
	tag string // an argument of the attacker, by which the host finds its process
	// thread stands in for the host: its mount namespace must not change.
	thread  int
	written *os.File          // the file Markers.WriteTo
	told    bool              // whether the attacker says that the current probe succeeded,
	saw     string            // and what it saw
	cannot  map[string]string // probes that need something that the host lacks, with the reason
	undo    []func()
	closing sync.Mutex
}

func (h *host) defer_(f func()) { h.undo = append(h.undo, f) }

// close removes the markers, the last one first. A second call, also at the same time, has no
// effect.
func (h *host) close() {
	h.closing.Lock()
	defer h.closing.Unlock()
	for i := len(h.undo) - 1; i >= 0; i-- {
		h.undo[i]()
	}
	h.undo = nil
}

// newHost creates the markers. As root, it first unshares the mount namespace of the calling
// thread: there an attacker mounts what it mounts on "the host", and the mount goes away with the
// program. The caller must be on a locked thread, and start the container from it.
func newHost() (h *host, err error) {
	h = &host{thread: unix.Gettid(), cannot: map[string]string{}}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if os.Geteuid() == 0 {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return h, fmt.Errorf("unshare(CLONE_NEWNS): %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return h, fmt.Errorf("make mounts private: %w", err)
		}
	}
	h.m.Secret, h.tag = "containerkit-secret-"+random(), random()
	for _, f := range []func() error{h.processes, h.files, h.sharedMemory, h.servers, h.state, h.cgroups, h.carelessness} {
		if err := f(); err != nil {
			return h, err
		}
	}
	return h, nil
}

// random returns a unique word. It doesn't have to be hard to guess.
func random() string {
	return strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36)
}

// processes starts the victim: a process to see, and then to kill.
func (h *host) processes() error {
	p, err := child.Command(idler)
	if err != nil {
		return err
	}
	p.Args = append(p.Args, h.m.Secret)
	if err := p.Start(); err != nil {
		return err
	}
	h.defer_(func() { p.Close() })
	h.m.Victim = p.Process.Pid
	return p.Receive(nil) // Start can return before the kernel has set the command line
}

// files creates a file to read, one to write to, and a directory to mount on. Neither permission
// bits nor our umask must stop an attacker. No other user can write to the parent directory, where
// a link could make us write elsewhere.
func (h *host) files() error {
	dir, err := scratch.New()
	if err != nil {
		return err
	}
	h.defer_(func() { _ = dir.Remove() })
	if err := dir.AllowSearch(); err != nil {
		return err
	}
	h.m.File, h.m.WriteTo, h.m.MountOn = dir.Join("secret"), dir.Join("written"), dir.Join("mount")
	mount, err := dir.Mkdir("mount", 0o755)
	if err != nil {
		return err
	}
	h.defer_(func() { _ = unix.Unmount(h.m.MountOn, unix.MNT_DETACH) })
	secret, err := dir.Create("secret", 0o644)
	if err != nil {
		return errors.Join(err, mount.Close())
	}
	_, err = secret.WriteString(h.m.Secret)
	if err = errors.Join(err, mount.Close(), secret.Close()); err != nil {
		return err
	}
	if h.written, err = dir.Create("written", 0o666); err != nil {
		return err
	}
	h.defer_(func() { _ = h.written.Close() })
	return nil
}

// sharedMemory creates a segment that is already marked for removal: it exists while we are
// attached, so not even kill -9 leaves it behind (shmctl(2), IPC_RMID).
func (h *host) sharedMemory() error {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o666)
	if err != nil {
		return fmt.Errorf("shmget: %w", err)
	}
	mem, err := unix.SysvShmAttach(id, 0, 0)
	if err == nil {
		h.defer_(func() { _ = unix.SysvShmDetach(mem) })
		copy(mem, h.m.Secret)
		h.m.Segment = id
	}
	_, rmErr := unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	return errors.Join(err, rmErr)
}

// servers starts two servers that answer with the secret, on 127.0.0.1 and on an abstract socket.
func (h *host) servers() error {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen on the host's loopback: %w", err)
	}
	abstract, err := net.Listen("unix", "@"+h.m.Secret)
	if err != nil {
		return errors.Join(err, tcp.Close())
	}
	if conn, err := net.DialTimeout("tcp", tcp.Addr().String(), time.Second); err == nil {
		_ = conn.Close()
	} else {
		h.cannot["port"] = "the host's own loopback is down: ip link set lo up"
	}
	h.m.Port, h.m.Socket = tcp.Addr().(*net.TCPAddr).Port, h.m.Secret
	for _, l := range []net.Listener{tcp, abstract} {
		h.defer_(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte(h.m.Secret))
				_ = conn.Close()
			}
		}()
	}
	return nil
}

// state reads what the kernel says on the host, to compare it with what it says inside.
func (h *host) state() (err error) {
	m := &h.m
	if m.Hostname, err = os.Hostname(); err != nil {
		return err
	}
	if m.UTS, err = os.Readlink("/proc/self/ns/uts"); err != nil {
		return err
	}
	if m.CgroupNS, err = os.Readlink("/proc/self/ns/cgroup"); err != nil {
		return err
	}
	if m.Users, err = os.ReadFile("/etc/passwd"); err != nil {
		return err
	}
	if m.RootMount, err = RootMount(); err != nil {
		return err
	}
	m.Root, m.Dev, m.Shm = device("/"), device("/dev"), device("/dev/shm")
	if m.Shm == 0 {
		h.cannot["shm"] = "the host has no /dev/shm"
	}
	return nil
}

// RootMount returns the fields of mountinfo that identify the mount at /: " 8:1 / / "
// (proc_pid_mountinfo(5)). They are the file system, which directory of it is mounted (of a btrfs
// subvolume, not its root), and the mount point. stat(2) can report another device number.
func RootMount() (string, error) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	if mount := rootOf(string(raw)); mount != "" {
		return mount, nil
	}
	return "", errors.New("/proc/self/mountinfo: no mount at /")
}

func rootOf(mountinfo string) (mount string) {
	for line := range strings.Lines(mountinfo) {
		if f := strings.Fields(line); f[4] == "/" {
			mount = " " + strings.Join(f[2:5], " ") + " " // the last one is on top
		}
	}
	return mount
}

// carelessness leaves a variable in the environment and a directory open across execve, as runtimes
// have (CVE-2024-21626: a file descriptor of the host's cgroup directory was enough to escape).
func (h *host) carelessness() error {
	h.m.Env = "CONTAINERKIT_SECRET"
	if err := os.Setenv(h.m.Env, h.m.Secret); err != nil {
		return err
	}
	h.defer_(func() { _ = os.Unsetenv(h.m.Env) })
	fd, err := unix.Open(filepath.Dir(h.m.File), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// Far up, where no file descriptor of the container takes its place.
	forgotten, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD, 100)
	if err != nil {
		return err
	}
	h.defer_(func() { _ = unix.Close(forgotten) })
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	h.m.OpenDir = st.Ino
	return nil
}

// victimDied reports whether the victim was killed. The attacker's signal can take a moment to
// arrive.
func (h *host) victimDied() (bool, string) {
	state := ""
	for range 100 {
		// A killed child of ours stays as a zombie until we wait for it.
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.m.Victim))
		if err != nil {
			return true, "the victim is gone"
		}
		state = strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))[0]
		if state == "Z" || state == "X" || !h.told {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if state == "Z" || state == "X" {
		return true, "the victim was killed (state " + state + ")"
	}
	return false, "the victim is alive (state " + state + ")"
}

// runsAsLong compares the attacker's uptime with the host's, which CLOCK_BOOTTIME measures.
func (h *host) runsAsLong() (bool, string) {
	theirs, err := time.ParseDuration(h.saw)
	if err != nil {
		return h.told, h.saw
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return true, err.Error()
	}
	return (time.Duration(ts.Nano()) - theirs).Abs() < 2*time.Second, theirs.Round(time.Second).String()
}

func (h *host) seesMount() (bool, string) {
	f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/mountinfo", h.thread))
	if err != nil {
		return true, err.Error()
	}
	defer f.Close()
	return mountedOn(f, h.m.MountOn), ""
}

// mountedOn reports whether a table of mounts has a mount at the path. The kernel writes a space as
// \040 there (proc_pid_mountinfo(5)).
func mountedOn(table io.Reader, path string) bool {
	found, err := mountinfo.GetMountsFromReader(table, mountinfo.SingleEntryFilter(path))
	return err != nil || len(found) > 0
}

func (h *host) wasWritten() (bool, string) {
	st, err := h.written.Stat()
	return err != nil || st.Size() > 0, ""
}

// rootOutside reads the attacker's UID on the host. In an ordinary user's sandbox, our own UID
// mapping translates it once more.
func (h *host) rootOutside() (bool, string) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range lines {
		if line, _ := os.ReadFile(f); !bytes.Contains(line, []byte(h.tag)) {
			continue
		}
		uid, err := uidOf(filepath.Dir(f))
		if err != nil {
			return true, err.Error()
		}
		return uid == 0, fmt.Sprintf("UID %d on the host", uid)
	}
	return true, "not found among the host's processes"
}

// uidOf returns the effective UID of the process with the directory dir in /proc.
func uidOf(dir string) (int64, error) {
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "\nUid:")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0, fmt.Errorf("%s/status: no Uid", dir)
	}
	uid, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, err
	}
	maps, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(maps)) {
		var inside, outside, count int64
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err == nil && uid >= inside && uid < inside+count {
			return outside + uid - inside, nil
		}
	}
	return uid, nil
}
