package vm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"

	"containerkit/lessons/vm/wire"
)

// qemu runs a distribution's kernel in QEMU: the complete engine.
type qemu struct{}

func (qemu) Name() string { return "qemu" }

func (qemu) Lacks() []string { return nil }

// findVirtiofsd looks where the distributions put it: it is not for people to start, so it is in no PATH.
func findVirtiofsd() (string, error) {
	for _, path := range []string{"/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd", "/usr/libexec/qemu/virtiofsd"} {
		if unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	if path, err := exec.LookPath("virtiofsd"); err == nil {
		return path, nil
	}
	return "", missingVirtiofsd
}

func (qemu) Available(c *Config) error {
	var errs []error // all of them: who has to install one piece will want to know of the next
	if _, err := exec.LookPath(qemuBinary); err != nil {
		errs = append(errs, missingQEMU)
	}
	_, err := findVirtiofsd()
	errs = append(errs, err)
	_, err = findKernel("/", c.Kernel)
	return errors.Join(append(errs, err)...)
}

// Start tries KVM where it may work. Where it turns out not to, it is emulation from then on.
func (q qemu) Start(c *Config, init []byte, s *wire.Start) (*Machine, error) {
	why := kvmHere()
	if why == "" {
		m, err := q.start(c, init, s, "kvm")
		if err != nil {
			return nil, err
		}
		m.How = "QEMU with KVM, " + m.How
		if err = alive(m, kvmTime); err == nil {
			return m, nil
		}
		why = "KVM was tried: " + err.Error()
		if err := kvmFailed(); err != nil {
			why += "; the next start will try it again: " + err.Error()
		}
	}
	// One thread emulates all CPUs in turn. With a thread for each, QEMU's default, a program was seen to read zeros
	// where it had written.
	m, err := q.start(c, init, s, "tcg,thread=single")
	if err == nil {
		m.How = "QEMU in software emulation (" + why + "), " + m.How
	}
	return m, err
}

// start boots a machine with one way to run its processors.
func (qemu) start(c *Config, init []byte, s *wire.Start, accelerator string) (*Machine, error) {
	binary, err := exec.LookPath(qemuBinary)
	if err != nil {
		return nil, missingQEMU
	}
	daemon, err := findVirtiofsd()
	if err != nil {
		return nil, err
	}
	// Not by a link in /run, which a room does not have.
	if binary, err = filepath.EvalSymlinks(binary); err != nil {
		return nil, err
	}
	k, err := findKernel("/", c.Kernel)
	if err != nil {
		return nil, err
	}
	files, err := k.load(qemuModules)
	if err != nil {
		return nil, err
	}
	initrd, err := Initramfs(append(files, File{Path: "init", Mode: 0o755, Data: init}, File{Path: "dev"}))
	if err != nil {
		return nil, err
	}

	var mine []*os.File // what only the room's processes need
	defer func() {
		for _, f := range mine {
			f.Close()
		}
	}()
	own := func(f *os.File) *os.File { mine = append(mine, f); return f }

	// A copy: Ubuntu's kernels are for root alone to read, and QEMU opens by name what it is told
	// by name.
	text, err := os.ReadFile(k.Image)
	if err != nil {
		return nil, err
	}
	image, err := inMemory("kernel", text)
	if err != nil {
		return nil, err
	}
	own(image)
	ram, err := inMemory("initrd", initrd)
	if err != nil {
		return nil, err
	}
	own(ram)
	conn, theirs, err := streamPair()
	if err != nil {
		return nil, err
	}
	own(theirs)
	console, consoleIn, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	own(consoleIn)

	// QEMU finds what it needs as descriptors; nothing of the VM has a name in a directory.
	var passed []*os.File
	pass := func(f *os.File) int { passed = append(passed, f); return 2 + len(passed) }
	path := func(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", pass(f)) }
	memory := fmt.Sprintf("%dM", c.Memory)
	args := []string{binary, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
		"-accel", accelerator, "-cpu", processor(accelerator), "-smp", fmt.Sprint(c.CPUs), "-m", memory,
		// virtiofsd reads and writes the guest's memory itself, so it must be memory that can be shared.
		"-object", "memory-backend-memfd,id=memory,share=on,size=" + memory,
		"-machine", qemuMachine + ",memory-backend=memory",
		"-kernel", path(image), "-initrd", path(ram), "-append", commandLine("/dev/vport0p1"),
		"-serial", "stdio",
		"-device", "virtio-serial-pci", "-chardev", fmt.Sprintf("socket,id=stream,fd=%d", pass(theirs)),
		"-device", "virtserialport,chardev=stream,nr=1,name=containerkit",
	}
	if canSandbox(binary) {
		args = append(args, "-sandbox", qemuSandbox)
	} else {
		fmt.Fprintf(c.Stderr, "%s has no -sandbox: it was built without libseccomp\n", binary)
	}
	var processes []process
	share := func(tag, dir, cache string, keeps []capability.Cap) error {
		listener, connected, err := waitingSocket()
		if err != nil {
			return err
		}
		processes = append(processes, process{
			Name: "virtiofsd", Argv: virtiofsdArgs(daemon, dir, cache, keeps),
			Lends: true, Files: []*os.File{own(listener)},
			// With these it drops its groups, changes its root, and then drops all but keeps.
			Keeps: append(slices.Clone(keeps),
				capability.CAP_SETGID, capability.CAP_SYS_CHROOT, capability.CAP_SETPCAP),
		})
		args = append(args, "-chardev", fmt.Sprintf("socket,id=%s,fd=%d", tag, pass(own(connected))),
			"-device", "vhost-user-fs-pci,tag="+tag+",chardev="+tag)
		return nil
	}
	// The host's files are as they are when the guest first looks: it may remember them for ever, which saves a round
	// trip for most of what it does.
	if err := share("root", roomRoot, "always", readKeeps); err != nil {
		return nil, err
	}
	s.Root = wire.Mount{Type: "virtiofs", Source: "root"}
	writable := ""
	if c.Share == "rw" {
		if err := share("share", roomShare, "auto", writeKeeps); err != nil {
			return nil, err
		}
		writable = s.Checkout
		s.Shares = []wire.Share{{Mount: wire.Mount{Type: "virtiofs", Source: "share"}, Path: writable}}
	}
	blank, err := newDisk()
	if err != nil {
		fmt.Fprintf(c.Stderr, "no disk in the VM, which the io step wants: %v\n", err)
	} else {
		// Nobody else has this file, so nobody needs a lock on it.
		args = append(args, "-drive", "if=none,id=disk,format=raw,file.driver=file,file.locking=off,file.filename="+path(own(blank)),
			"-device", "virtio-blk-pci,drive=disk")
		s.Disk = "/dev/vda"
	}
	processes = append(processes, process{
		Name: "QEMU", Argv: args, Files: passed, Out: consoleIn, Main: true, Alien: true,
	})
	room, err := openRoom(processes, writable)
	if err != nil {
		conn.Close()
		console.Close()
		return nil, err
	}
	return &Machine{How: "Linux " + k.Version, Conn: conn, Piece: 32 << 10, Console: console, Wait: room.Wait, Kill: room.Kill}, nil
}

// processor is what the guest is told that it runs on: all that the accelerator can do. In emulation that leaves out what
// a real processor is quick at and an emulated one slow: to copy and clear memory by one instruction, which is done byte
// by byte (erms, fsrm); a fifth level of page tables to look through; a switch at every access to user memory (smap).
func processor(accelerator string) string {
	if accelerator == "kvm" || runtime.GOARCH != "amd64" {
		return "max"
	}
	return "max,erms=off,fsrm=off,la57=off,smap=off"
}

// commandLine is the kernel's. What it leaves out is what an emulated processor is slow at and a throw-away machine
// with nobody else in it does not need: mitigations, and waiting for grace periods with patience.
func commandLine(stream string) string {
	return strings.Join([]string{
		"console=" + qemuConsole, "containerkit.conn=" + stream,
		"cgroup_no_v1=all", "psi=1", // version 2 alone, and with its pressure files
		"panic=-1", // a panic ends QEMU (-no-reboot) instead of hanging
		// virtiofsd writes the contents of files into the guest's memory past QEMU, which keeps the code that it has
		// translated from what was there before, and would run it: of one program in place of another. So the guest
		// itself clears every page that it takes into use, which QEMU sees. (vhost_section in its hw/virtio/vhost.c.)
		"init_on_alloc=1",
		"mitigations=off", "rcupdate.rcu_expedited=1", "no_timer_check", "tsc=reliable", "random.trust_cpu=on", "quiet",
		// The kernel tests its own cryptography and reads the keys of those who sign modules, a fifth of the boot.
		"cryptomgr.notests", "initcall_blacklist=crypto_kdf108_init,load_system_certificate_list,init_encrypted",
	}, " ")
}

// qemuSandbox is QEMU's own seccomp filter: no obsolete calls, no other user, no other program, no
// other priority.
const qemuSandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

// canSandbox reports whether this QEMU was built with its filter. One that was not exits when it
// reads the option; one that was reads the next, prints its version and exits.
func canSandbox(binary string) bool {
	return exec.Command(binary, "-sandbox", qemuSandbox, "-version").Run() == nil
}

// What virtiofsd keeps of root's capabilities: to read all files, without a change of their access
// times (O_NOATIME needs CAP_FOWNER, open(2)); or to write as well, as each user of the guest. Of
// those that it keeps by itself this leaves out CAP_MKNOD, with which root of the guest could
// create a device of the host, and CAP_SETFCAP.
var (
	readKeeps  = []capability.Cap{capability.CAP_DAC_READ_SEARCH, capability.CAP_FOWNER}
	writeKeeps = []capability.Cap{capability.CAP_CHOWN, capability.CAP_DAC_OVERRIDE,
		capability.CAP_FOWNER, capability.CAP_FSETID, capability.CAP_SETGID, capability.CAP_SETUID}
)

// virtiofsdArgs are for one of two programs of that name: the C one that came with QEMU until 7.2, and the Rust one
// since. Both take the listening socket as a descriptor. They need not make namespaces: the room is one already.
func virtiofsdArgs(daemon, dir, cache string, keeps []capability.Cap) []string {
	caps := virtiofsdCaps(keeps)
	if strings.Contains(filepath.Dir(daemon), "qemu") {
		return []string{daemon, "--fd=3", "--rlimit-nofile=0", "-o", "source=" + dir,
			"-o", "sandbox=chroot", "-o", "cache=" + cache, "-o", "log_level=err", "-o", "modcaps=" + caps, "-f"}
	}
	return []string{daemon, "--fd=3", "--shared-dir=" + dir, "--sandbox=chroot", "--cache=" + cache,
		"--log-level=error", "--modcaps=" + caps}
}

// virtiofsdCaps is the difference between what both programs keep by themselves and what they are
// to keep, as they want to be told it: "+sys_admin:-chown". They exit if they cannot have what they
// want to keep.
func virtiofsdCaps(keeps []capability.Cap) string {
	byThemselves := append(slices.Clone(writeKeeps), capability.CAP_MKNOD, capability.CAP_SETFCAP)
	var changes []string
	for _, c := range keeps {
		if !slices.Contains(byThemselves, c) {
			changes = append(changes, "+"+c.String())
		}
	}
	for _, c := range byThemselves {
		if !slices.Contains(keeps, c) {
			changes = append(changes, "-"+c.String())
		}
	}
	return strings.Join(changes, ":")
}

// waitingSocket is a listening socket with one connection that waits to be accepted, and the other end of that. Its
// name is one that the kernel picks, in the abstract name space: no file (unix(7), "Autobind feature"). Such a name has no
// permissions: any process that guesses it can connect. So there is room for one who waits, and if that is not us, it is an error.
func waitingSocket() (listener, connected *os.File, err error) {
	l, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket: %w", err)
	}
	listener = os.NewFile(uintptr(l), "listener")
	if err = unix.Bind(l, &unix.SockaddrUnix{}); err == nil {
		err = unix.Listen(l, 0) // one may wait, the next would have to
	}
	var name unix.Sockaddr
	if err == nil {
		name, err = unix.Getsockname(l)
	}
	c := -1
	if err == nil {
		c, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	}
	if err != nil {
		listener.Close()
		return nil, nil, fmt.Errorf("a socket for virtiofsd: %w", err)
	}
	connected = os.NewFile(uintptr(c), "connected")
	if err = unix.Connect(c, name); err == nil {
		err = unix.SetNonblock(c, false) // for QEMU
	}
	if err != nil {
		listener.Close()
		connected.Close()
		return nil, nil, fmt.Errorf("connect to virtiofsd's socket: %w", err)
	}
	return listener, connected, nil
}

// streamPair is the stream to the guest: our end, and QEMU's.
func streamPair() (io.ReadWriteCloser, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	f := os.NewFile(uintptr(fds[0]), "stream")
	defer f.Close()
	theirs := os.NewFile(uintptr(fds[1]), "stream")
	conn, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}

// inMemory is a file without a name that holds data (memfd_create(2)).
func inMemory(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// diskSize is what a step may write; memory is taken for what is written only.
const diskSize = 512 << 20

// newDisk is an empty ext4 in memory.
func newDisk() (*os.File, error) {
	tool, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		if tool = "/sbin/mkfs.ext4"; unix.Access(tool, unix.X_OK) != nil { // in no ordinary user's PATH
			return nil, missingMkfs
		}
	}
	f, err := inMemory("disk", nil)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(diskSize); err != nil {
		f.Close()
		return nil, err
	}
	// No journal: nobody will read this after a crash. Few inodes, ready for use, or the kernel would go on with it.
	cmd := exec.Command(tool, "-q", "-F", "-O", "^has_journal", "-m", "0", "-N", "4096", "-E", "lazy_itable_init=0", "/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{f}
	if out, err := cmd.CombinedOutput(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w: %s", tool, err, bytes.TrimSpace(out))
	}
	return f, nil
}
