//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/interpreter"
)

// gateName is argv[0] of the re-exec helper through which a child joins its cgroups.
const gateName = "containerkit-gate"

// Prepare changes a command so that it starts in the cgroup. Call after once Start has returned,
// with or without an error. A process that is moved into its cgroup after its start runs without
// limits for a moment, and a fork bomb needs no more (golang/go#51246).
//
// On v2, clone3(2) with CLONE_INTO_CGROUP creates the child in the cgroup.
//
// On v1, the command becomes this very program, which joins and then execs the target in the same
// process: so before the target's first instruction. after waits until the child has joined. Extra
// files keep their numbers. The helper is executed via /proc/self/exe, so Prepare does not work
// with SysProcAttr.Chroot; use JoinFiles there.
func (g *Group) Prepare(cmd *exec.Cmd) (after func(), err error) {
	if cmd.Err != nil {
		return nil, cmd.Err
	}
	if fd := g.FD(); fd >= 0 {
		if cmd.SysProcAttr == nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{}
		}
		cmd.SysProcAttr.UseCgroupFD = true
		cmd.SysProcAttr.CgroupFD = fd
	}
	if g.Version == V2 {
		return func() {}, nil
	}
	files, err := g.JoinFiles()
	if err != nil {
		return nil, err
	}
	// The helper holds the other end of a pipe, which exec closes: so after knows that the child
	// has joined.
	passed, gate, err := os.Pipe()
	if err != nil {
		closeAll(files)
		return nil, err
	}
	files = append(files, gate)
	argv := cmd.Args
	if len(argv) == 0 {
		argv = []string{cmd.Path}
	}
	first := 3 + len(cmd.ExtraFiles)
	cmd.Args = append([]string{gateName, strconv.Itoa(first), strconv.Itoa(len(files)), cmd.Path}, argv...)
	cmd.Path = "/proc/self/exe"
	cmd.ExtraFiles = append(cmd.ExtraFiles[:len(cmd.ExtraFiles):len(cmd.ExtraFiles)], files...)
	return func() {
		closeAll(files)
		_, _ = passed.Read(make([]byte, 1))
		_ = passed.Close()
	}, nil
}

// JoinFiles opens the files that a child needs to join by itself: it inherits them and passes them
// to JoinSelf. There is one for each hierarchy of v1. The freezer's comes first, so a child that
// has joined any cgroup is found there and killed. On v2 there are none: the child is created in
// FD.
func (g *Group) JoinFiles() ([]*os.File, error) {
	if g.Version == V2 {
		return nil, nil
	}
	dirs := []string{g.dirs["freezer"]}
	for _, dir := range g.all() {
		if dir != g.dirs["unified"] && dir != g.dirs["freezer"] {
			dirs = append(dirs, dir)
		}
	}
	for _, f := range g.shared {
		if filepath.Dir(f.Name()) != g.h.Parents["unified"] {
			dirs = append(dirs, f.Name())
		}
	}
	var files []*os.File
	for _, dir := range dirs {
		name := dir + "/tasks"
		fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			closeAll(files)
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
		files = append(files, os.NewFile(uintptr(fd), name))
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// init is the re-exec helper's entry point. Its arguments are the number of the first file
// descriptor to join by, how many there are (the last is the pipe to the parent), the target's
// path, and the target's arguments. It runs before main, so it works in every program that links
// this package, including test binaries.
func init() {
	if len(os.Args) < 5 || os.Args[0] != gateName {
		return
	}
	runtime.LockOSThread() // the thread that joins must be the one that execs
	status, err := gate(os.Args[1], os.Args[2], os.Args[3], os.Args[4:])
	fmt.Fprintln(os.Stderr, err)
	os.Exit(status)
}

// gate joins the cgroups and execs the target. It returns only if that fails, with the exit status
// of a shell.
func gate(first, count, path string, argv []string) (int, error) {
	from, err1 := strconv.Atoi(first)
	n, err2 := strconv.Atoi(count)
	if err := errors.Join(err1, err2); err != nil {
		return 125, fmt.Errorf("cgroup: start %s: %w", path, err)
	}
	var files []*os.File
	for fd := from; fd < from+n; fd++ {
		unix.CloseOnExec(fd) // the target must not be able to join again later, or move others here
		files = append(files, os.NewFile(uintptr(fd), "tasks"))
	}
	if err := JoinSelf(files[:n-1]); err != nil {
		return 125, fmt.Errorf("cgroup: start %s: %w", path, err)
	}
	err := interpreter.Blame(&os.PathError{
		Op: "exec", Path: path, Err: syscall.Exec(path, argv, os.Environ())})
	if errors.Is(err, syscall.ENOENT) {
		return 127, err
	}
	return 126, err
}
