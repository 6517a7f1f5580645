//go:build linux

// First is a container in about a hundred lines: a command with its own namespaces, its own root and
// its own /proc, and a memory limit where a cgroup is writable. It is what a talk builds in half an
// hour, and what the five stages take apart: `go run ./lessons read first` builds it in five steps.
//
//	go run ./lessons/first sh
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "first: it needs a command, for example: go run ./lessons/first sh")
		os.Exit(2)
	}
	status, err := 0, error(nil)
	if os.Args[0] == "inside" {
		err = inside(os.Args[1:])
	} else {
		status, err = outside(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "first:", err)
		os.Exit(125)
	}
	os.Exit(status)
}

// outside starts this program again in new namespaces, and waits for it.
func outside(args []string) (status int, err error) {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = "inside"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS |
			unix.CLONE_NEWIPC | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
	}
	group, err := limit(cmd.SysProcAttr, 64<<20)
	if err != nil {
		fmt.Fprintln(os.Stderr, "first: no memory limit:", err)
	} else {
		defer os.Remove(group.Name())
		defer group.Close()
	}
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// limit creates a cgroup beside ours with a memory limit, and has the process start in it. `go run
// ./lessons clean` knows the name, in case a kill -9 leaves the directory behind. (cgroups(7))
func limit(attr *syscall.SysProcAttr, bytes int) (group *os.File, err error) {
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	ours, ok := strings.CutPrefix(strings.TrimSpace(string(self)), "0::")
	if !ok {
		return nil, errors.New("this machine has cgroup v1")
	}
	dir := filepath.Join("/sys/fs/cgroup", filepath.Dir(ours), "containerkit-byhand")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(dir+"/memory.max", []byte(strconv.Itoa(bytes)), 0); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	if group, err = os.Open(dir); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	attr.UseCgroupFD, attr.CgroupFD = true, int(group.Fd())
	return group, nil
}

// inside is PID 1 in the new namespaces: it builds the root, and becomes the command.
func inside(args []string) error {
	if err := unix.Sethostname([]byte("first")); err != nil {
		return fmt.Errorf("sethostname: %w", err)
	}
	if err := root(); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return unix.Exec(path, args, []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "TERM=" + os.Getenv("TERM")})
}

// root makes a tmpfs with the host's /usr, read-only, and a new /proc the root. (pivot_root(2))
func root() error {
	// What we mount must not appear on the host. (mount_namespaces(7))
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return err
	}
	if err := unix.Chdir("/tmp"); err != nil {
		return err
	}
	for _, dir := range []string{"usr", "proc", "tmp"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+link, link); err != nil {
			return err
		}
	}
	if err := unix.Mount("/usr", "usr", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	readOnly := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "usr", unix.AT_RECURSIVE, readOnly); err != nil {
		return err
	}
	if err := unix.Mount("proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil { // the old root is now on top of the new one
		return err
	}
	return unix.Unmount(".", unix.MNT_DETACH)
}
