//go:build linux

// Package guest is the first process of the virtual machine. It makes the host's root its own, below an overlay in
// memory, sets up what the course needs (cgroup v2, /proc, /dev, an ordinary user), runs the one command that it is
// told to, and reports its end.
//
// It is started by the kernel as /init of the initial file system, so it is a static program, and small: its bytes
// are unpacked and its start is emulated before anything else happens.
package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/lessons/vm/wire"
)

// Main runs the machine. It does not return.
func Main() {
	if filepath.Base(os.Args[0]) == learner {
		err := asLearner(os.Args[1:])
		fmt.Fprintf(os.Stderr, "%s: %v\n", learner, err)
		os.Exit(statusOf(err))
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "this is the first process of a virtual machine: go run ./lessons vm starts it there")
		os.Exit(2)
	}
	if err := boot(); err != nil {
		// There is nobody but the console to tell.
		fmt.Fprintf(os.Stderr, "containerkit: %v\n", err)
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

// boot finds the stream, and carries out what comes over it.
func boot() error {
	if err := mount("devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID, "mode=0755"); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", harmless, ""); err != nil {
		return err
	}
	list, err := modules("/modules/list")
	if err != nil {
		return err
	}
	// Two processors can do two things: the rest is loaded while the stream is found and the host answers.
	loading := make(chan error, 1)
	go func() {
		for _, file := range list {
			if err := loadModule(file); err != nil {
				loading <- err
				return
			}
		}
		loading <- nil
	}()
	stream, err := openStream()
	if err != nil {
		return err
	}
	out := wire.NewWriter(stream)
	if err := out.Write(wire.KindHello, nil); err != nil {
		return err
	}
	s, err := wire.ReadStart(stream, out)
	if err != nil {
		return err
	}
	phase := func(name string) {
		if s.Time {
			_ = out.Write(wire.KindPhase, []byte(name))
		}
	}
	fail := func(err error) error {
		return out.WriteJSON(wire.KindExit, wire.Exit{Status: 1, Error: "in the VM: " + err.Error()})
	}
	phase("the guest has its instructions")
	if err := <-loading; err != nil {
		return fail(err)
	}
	phase("modules are loaded")
	uid, err := root(s)
	if err != nil {
		return fail(err)
	}
	phase("the host's root is mounted")
	if err := settle(s, uid); err != nil {
		return fail(err)
	}
	phase("cgroups, users and network are set up")
	go forget(s.Files)
	exit := run(s, uid, stream, out)
	if len(s.Shares) > 0 {
		unix.Sync() // what programs wrote through mappings
	}
	if err := out.WriteJSON(wire.KindExit, exit); err != nil {
		return err
	}
	// The host ends the machine when it has read that, which is quicker than what we do next.
	time.Sleep(2 * time.Second)
	return nil
}

// openStream opens the device that the kernel's command line names. It appears when its driver is loaded.
//
// Not with os.Open, whose files Go watches with epoll(7): if that looks at a virtio port between the arrival of data and its
// interrupt, it takes the data off the queue, the interrupt finds nothing new, and who sleeps in read(2) is never woken up.
func openStream() (*os.File, error) {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return nil, err
	}
	_, path, ok := strings.Cut(string(line), "containerkit.conn=")
	if !ok {
		return nil, errors.New("the kernel's command line has no containerkit.conn=DEVICE")
	}
	path, _, _ = strings.Cut(strings.TrimSpace(path), " ")
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err == nil {
			f := os.NewFile(uintptr(fd), path)
			return f, raw(f)
		}
		// ENXIO: its node is there, but not yet all of it.
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENXIO) && !errors.Is(err, unix.EINTR) {
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		time.Sleep(time.Millisecond)
	}
	return nil, fmt.Errorf("%s has not appeared", path)
}

// raw lets every byte through, if the stream is a serial line: no echo, no line ends, no Ctrl-C (termios(3)).
func raw(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "tcgetattr", Path: f.Name(), Err: err}
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8 | unix.CLOCAL
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t); err != nil {
		return &os.PathError{Op: "tcsetattr", Path: f.Name(), Err: err}
	}
	return nil
}

// modules are the modules of a list, which is in an order in which they can be loaded. No list, no modules.
func modules(list string) ([]string, error) {
	text, err := os.ReadFile(list)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return strings.Fields(string(text)), nil
}

// loadModule is finit_module(2). EEXIST: it is there already.
func loadModule(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return &os.PathError{Op: "finit_module", Path: file, Err: err}
	}
	return nil
}

// harmless flags for mounts that hold no programs and no devices.
const harmless = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// mount is mount(2), with an error that says what was mounted where. The directory is made if it is missing.
func mount(source, target, fstype string, flags uintptr, options string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, fstype, flags, options); err != nil {
		return &os.PathError{Op: "mount " + fstype + " on", Path: target, Err: err}
	}
	return nil
}
