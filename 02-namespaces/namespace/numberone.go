//go:build linux

package namespace

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NumberOne starts the payload from process number 1 of a container, and returns the program that number 1 is to be from
// then on. It does what RunSession does: it passes signals on, buries the orphans, and ends with the payload's exit status.
// If the payload could not be started, status is 127 (no such command) or 126 (it cannot be executed).
//
// It is a program of its own because the process that calls this borrows our memory (Vfork), and must give it back; and
// of forty instructions (numberone_amd64.s), because they run a hundred times as soon as Go's runtime would. Nothing
// of the host is in it: no memory, no file but itself, no descriptor.
// With undumpable nobody inside can look into it or change it: prctl(2), PR_SET_DUMPABLE.
func NumberOne(argv, env []string, files []*os.File, attr *syscall.SysProcAttr, undumpable bool) (_ Program, status int, err error) {
	// What is opened from here on is open here alone.
	if err := unix.Unshare(unix.CLONE_FILES); err != nil {
		return Program{}, 125, os.NewSyscallError("unshare(CLONE_FILES)", err)
	}
	// Whose memory we borrow is nobody's business inside, while both of us have it: this counts by memory.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return Program{}, 125, os.NewSyscallError("prctl(PR_SET_DUMPABLE)", err)
	}
	init, err := fileInMemory()
	if err != nil {
		return Program{}, 125, err
	}
	payload, err := start(argv, env, files, attr)
	if err != nil {
		return Program{}, notStarted(err), err
	}
	// From here on signals wait for the program, which takes them one by one (sigtimedwait(2)); one that is blocked is kept
	// even where it would be dropped, as number 1's are.
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &everySignal, nil); err != nil {
		return Program{}, 125, os.NewSyscallError("sigprocmask", err)
	}
	_ = unix.Setpgid(0, 0) // see RunSession
	if err := writeNumberOne(init, payload, undumpable); err != nil {
		return Program{}, 125, err
	}
	// Nothing that is open here stays open, our own standard streams neither.
	if err := unix.CloseRange(0, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return Program{}, 125, os.NewSyscallError("close_range", err)
	}
	return Program{FD: init, Argv: []string{"containerkit-init"}}, 0, nil
}

// InitName is what /proc/PID/comm says of number 1 when it has become the program that NumberOne returns and is as it will
// stay. It takes the name last, and the payload may run before.
const InitName = "container-init"

// fileInMemory makes a file for a program: memfd_create(2).
func fileInMemory() (int, error) {
	// MFD_EXEC, since Linux 6.3: where the sysctl vm.memfd_noexec is 1, a file that does not ask may never be executed.
	fd, err := unix.MemfdCreate("init", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("init", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, fmt.Errorf("a program in memory for number 1: %w", os.NewSyscallError("memfd_create", err))
	}
	return fd, nil
}

// numberOneFile is all of the program: the least that Linux executes (elf(5)), what the code has to know, and the code.
type numberOneFile struct {
	header      elfHeader
	load, stack elfSegment
	children    int64    // whom it waits for, as wait4(2) wants it
	payload     int64    // with whom it ends, and who gets the signals
	signals     uint64   // the set that it waits for
	dumpable    uint64   // for prctl(2), PR_SET_DUMPABLE
	name        [16]byte // for PR_SET_NAME: what ps shows
	code        [256]byte
}

// numberOneCode is the code, and whatever comes behind it in our memory; that is never reached. See numberone_amd64.s.
var numberOneCode *[256]byte

// numberOneBase is where the file is in the memory of its process.
const numberOneBase = 0x400000

// elfHeader is Elf64_Ehdr, and elfSegment is Elf64_Phdr: elf(5).
type elfHeader struct {
	ident                                    [16]byte
	kind, machine                            uint16
	version                                  uint32
	entry, segments, _                       uint64
	_                                        uint32
	size, segmentSize, segmentCount, _, _, _ uint16
}

type elfSegment struct {
	kind, flags                                 uint32
	offset, address, _, inFile, inMemory, align uint64
}

// writeNumberOne writes the program, and seals it.
func writeNumberOne(fd, payload int, undumpable bool) error {
	const size = unsafe.Sizeof(numberOneFile{})
	f := numberOneFile{
		header: elfHeader{
			ident:   [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, // of 64 bits, the low byte first, version 1
			kind:    2,                                      // ET_EXEC
			machine: map[string]uint16{"amd64": 62, "arm64": 183}[runtime.GOARCH],
			version: 1,
			entry:   numberOneBase + uint64(unsafe.Offsetof(numberOneFile{}.code)),
			size:    uint16(unsafe.Sizeof(elfHeader{})),

			segments: uint64(unsafe.Offsetof(numberOneFile{}.load)), segmentSize: uint16(unsafe.Sizeof(elfSegment{})), segmentCount: 2,
		},
		// PT_LOAD, to be read and executed, and PT_GNU_STACK, to be read and written.
		load:     elfSegment{kind: 1, flags: 4 | 1, address: numberOneBase, inFile: uint64(size), inMemory: uint64(size), align: 1 << 16},
		stack:    elfSegment{kind: 0x6474e551, flags: 4 | 2},
		children: -1, // all of them, orphans too
		payload:  int64(payload),
		signals:  1 << (unix.SIGCHLD - 1),
		code:     *numberOneCode,
	}
	for _, s := range passedOn {
		f.signals |= 1 << (s.(syscall.Signal) - 1)
	}
	if !undumpable {
		f.dumpable = 1
	}
	copy(f.name[:], InitName)
	if _, err := unix.Write(fd, (*[size]byte)(unsafe.Pointer(&f))[:]); err != nil {
		return os.NewSyscallError("write", err)
	}
	// Nobody inside changes it by way of /proc/1/exe, whatever his capabilities: fcntl(2), "File Sealing".
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	return os.NewSyscallError("fcntl(F_ADD_SEALS)", err)
}
