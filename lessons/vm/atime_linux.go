package vm

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/child"
)

// The guest's overlay opens every file below it with O_NOATIME, and virtiofsd passes that on. But only a file's owner
// may ask for it (open(2)), and to an ordinary user's virtiofsd most files are somebody else's: EPERM, for all of
// /usr. The flag changes nothing here, for the tree is read-only. So virtiofsd gets a seccomp filter that hands such
// calls to us, and we answer with the file, opened without the flag (seccomp_unotify(2)).

// notification is struct seccomp_notif.
type notification struct {
	id   uint64
	pid  uint32
	_    uint32
	nr   int32
	arch uint32
	ip   uint64
	args [6]uint64
}

// answer is struct seccomp_notif_resp.
type answer struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

// addFD is struct seccomp_notif_addfd.
type addFD struct {
	id                               uint64
	flags, source, target, fileFlags uint32
}

var auditArch = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]

// noAtimeFilter hands openat(…, O_NOATIME) to a supervisor, and lets everything else pass. Offsets are those of struct
// seccomp_data: the call's number at 0, the architecture at 4, the third argument at 32.
func noAtimeFilter() []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	// unless jumps to the last but n-th instruction, unless the comparison holds.
	unless := func(op uint16, k uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jf: skip}
	}
	return []unix.SockFilter{
		load(4), unless(unix.BPF_JEQ, auditArch, 5),
		load(0), unless(unix.BPF_JEQ, unix.SYS_OPENAT, 3),
		load(32), unless(unix.BPF_JSET, unix.O_NOATIME, 1),
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
}

// mayKeepAtime reports whether O_NOATIME is allowed for the host's files. In a user namespace
// CAP_FOWNER is not enough: it counts only for the files of users that the namespace has, so this
// tries it.
func mayKeepAtime() bool {
	if !namespace.Capable(unix.CAP_FOWNER) {
		return false
	}
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOATIME|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// noAtimeChild takes its limits on, puts itself under the filter, tells the number of the filter's
// descriptor, and becomes the command.
var noAtimeChild = child.Register("vm-noatime", func(c *child.Conn) error {
	runtime.LockOSThread() // a filter is a thread's; the one that executes must be the one that has it
	var argv []string
	if err := c.Receive(&argv); err != nil {
		return err
	}
	var l limits
	if err := c.Receive(&l); err != nil {
		return err
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	if err := confine(l); err != nil {
		return err
	}
	fd, err := installFilter(noAtimeFilter(), unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	if err != nil {
		return err
	}
	if err := c.Send(fd); err != nil {
		return err
	}
	if err := c.Receive(nil); err != nil { // the supervisor has it
		return err
	}
	return &os.PathError{Op: "exec", Path: path, Err: syscall.Exec(path, argv, os.Environ())}
})

// startWithoutNoAtime starts cmd with a supervisor for its files.
func startWithoutNoAtime(cmd *exec.Cmd, l limits) (*exec.Cmd, error) {
	p, err := child.Command(noAtimeChild, cmd.ExtraFiles...)
	if err != nil {
		return nil, err
	}
	p.Stdout, p.Stderr = cmd.Stdout, cmd.Stderr
	p.Env = append(cmd.Env, p.Env[len(p.Env)-1])
	process := -1 // the child as a pidfd, from clone(2) on
	// It ends with the room. PR_SET_PDEATHSIG would end it with our thread, on which startConfined
	// may run next.
	p.SysProcAttr = &syscall.SysProcAttr{PidFD: &process}
	if err := p.Start(); err != nil {
		return nil, err
	}
	var listener int
	if err = p.Send(cmd.Args); err == nil {
		err = p.Send(l)
	}
	if err == nil {
		err = p.Receive(&listener)
	}
	if err == nil {
		listener, err = unix.PidfdGetfd(process, listener, 0)
	}
	if err == nil {
		err = p.Send(true)
	}
	if err != nil {
		_ = p.Close()
		return nil, fmt.Errorf("supervise %s: %w", cmd.Args[0], err)
	}
	go supervise(listener, process)
	return p.Cmd, nil
}

// supervise answers the calls that the filter hands over, until the process ends.
func supervise(listener, process int) {
	for {
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
			if errno == unix.EINTR || errno == unix.ENOENT { // ENOENT: who called has ended
				continue
			}
			return
		}
		a := answer{id: n.id}
		switch file, err := openFor(listener, process, &n); {
		case err == errOther:
			a.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE // the kernel may answer that itself
		case err != nil:
			a.error = -int32(err.(syscall.Errno))
		default:
			add := addFD{id: n.id, flags: unix.SECCOMP_ADDFD_FLAG_SEND, source: uint32(file), fileFlags: unix.O_CLOEXEC}
			_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_ADDFD, uintptr(unsafe.Pointer(&add)))
			unix.Close(file)
			if errno == 0 {
				continue // that was the answer
			}
			a.error = -int32(errno)
		}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&a)))
	}
}

// errOther: the call is none that virtiofsd makes for the guest.
const errOther = syscall.Errno(1 << 12)

// openFor opens what the process asked for. virtiofsd holds every file that the guest knows as an O_PATH descriptor N,
// and opens it as "N" below a descriptor of /proc/self/fd: so we take N, and open that.
func openFor(listener, process int, n *notification) (int, error) {
	name := make([]byte, 12)
	local := []unix.Iovec{{Base: &name[0]}}
	local[0].SetLen(len(name))
	got, err := unix.ProcessVMReadv(int(n.pid), local, []unix.RemoteIovec{{Base: uintptr(n.args[1]), Len: len(name)}}, 0)
	if err != nil {
		return -1, err
	}
	// Was that its memory? If the thread has ended meanwhile, its number can be another's
	// (seccomp_unotify(2)).
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_ID_VALID,
		uintptr(unsafe.Pointer(&n.id)))
	if errno != 0 {
		return -1, errno
	}
	end := 0
	for end < got && name[end] != 0 {
		end++
	}
	number, err := strconv.Atoi(string(name[:end]))
	if err != nil || end == got {
		return -1, errOther
	}
	path, err := unix.PidfdGetfd(process, number, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(path)
	return unix.Open(fmt.Sprintf("/proc/self/fd/%d", path), int(n.args[2])&^(unix.O_NOATIME|unix.O_NOFOLLOW)|unix.O_CLOEXEC, 0)
}
