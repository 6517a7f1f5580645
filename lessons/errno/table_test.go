//go:build linux

package errno

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write docs/errnos.md from the table of this test")

// met is the table of docs/errnos.md: each number is provoked by the call beside it. None of them needs a privilege,
// and none touches anything but the test's own directory and descriptors.
var met = []struct {
	number syscall.Errno
	call   string
	why    string
	try    func(t *testing.T, dir string) error
}{
	{unix.EACCES, "execve(2) of a file without the x bit", "The mode of the file, or noexec on its mount, forbids it. Root is refused too.", func(t *testing.T, dir string) error {
		return exec.Command(file(t, dir, "plain", "#!/bin/sh\n")).Run()
	}},
	{unix.EADDRINUSE, "bind(2) to a port on which somebody listens", "An address and port belong to one listener of a network namespace.", func(t *testing.T, _ string) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		_, err = net.Listen("tcp", l.Addr().String())
		return err
	}},
	{unix.EAGAIN, "read(2) of an empty pipe with O_NONBLOCK", "There is nothing yet. From fork(2) the same number means a limit: pids.max or RLIMIT_NPROC.", func(t *testing.T, _ string) error {
		var p [2]int
		require.NoError(t, unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
		defer unix.Close(p[0])
		defer unix.Close(p[1])
		_, err := unix.Read(p[0], make([]byte, 1))
		return err
	}},
	{unix.ECHILD, "wait4(2) for a process that is not a child", "Only a parent can wait. Who wants to wait for a stranger polls a pidfd.", func(*testing.T, string) error {
		_, err := unix.Wait4(os.Getpid(), nil, unix.WNOHANG, nil)
		return err
	}},
	{unix.EEXIST, "mkdir(2) of a directory that is there", "A cgroup is made by mkdir, so two runs with one name meet here.", func(_ *testing.T, dir string) error {
		return unix.Mkdir(dir, 0o755)
	}},
	{unix.EINVAL, "unshare(2) of a user namespace in a program with threads", "A thread cannot leave the others' user namespace. A Go program has threads, so it gives the flag to a child's clone.", func(*testing.T, string) error {
		return unix.Unshare(unix.CLONE_NEWUSER)
	}},
	{unix.ELOOP, "open(2) of a symbolic link to itself", "Too many links on the way; with O_NOFOLLOW or RESOLVE_NO_SYMLINKS one is too many.", func(t *testing.T, dir string) error {
		require.NoError(t, os.Symlink("self", filepath.Join(dir, "self")))
		return open(filepath.Join(dir, "self"))
	}},
	{unix.ENOENT, "open(2) of a file that is not there", "From execve(2) it may be the interpreter that is missing, and not the file.", func(_ *testing.T, dir string) error {
		return open(filepath.Join(dir, "missing"))
	}},
	{unix.ENOEXEC, "execve(2) of a file without a head that the kernel knows", "No ELF header and no #! line, or an ELF file for another processor.", func(t *testing.T, dir string) error {
		name := file(t, dir, "headless", "echo hello\n")
		require.NoError(t, os.Chmod(name, 0o755))
		return exec.Command(name).Run()
	}},
	{unix.ENOSPC, "write(2) to /dev/full", "No room. From clone(2) it means a limit on namespaces, from a v1 cpuset that cpus or mems are not set.", func(t *testing.T, _ string) error {
		f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString("x")
		return err
	}},
	{unix.ENOTDIR, "open(2) of /dev/null/x", "Something on the way is a file.", func(*testing.T, string) error {
		return open("/dev/null/x")
	}},
	{unix.ESRCH, "kill(2) of a process that ended and was waited for", "It is gone. A zombie is not: it takes signals until its parent waits.", func(t *testing.T, _ string) error {
		c := exec.Command("true")
		require.NoError(t, c.Run())
		return unix.Kill(c.Process.Pid, 0)
	}},
	{unix.EXDEV, "link(2) from /proc into a directory elsewhere", "Two mounts: a name cannot cross. A move has to copy.", func(_ *testing.T, dir string) error {
		return unix.Link("/proc/self/status", filepath.Join(dir, "status"))
	}},
}

func open(name string) error {
	f, err := os.Open(name)
	if err == nil {
		f.Close()
	}
	return err
}

func file(t *testing.T, dir, name, text string) string {
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestEachErrnoOfTheBookIsGivenByItsCall(t *testing.T) {
	for _, m := range met {
		t.Run(unix.ErrnoName(m.number), func(t *testing.T) {
			require.ErrorIs(t, m.try(t, t.TempDir()), m.number, m.call)
		})
	}
}

func TestTheBookHasTheTableOfErrnos(t *testing.T) {
	const page = "../../docs/errnos.md"
	var b strings.Builder
	b.WriteString("# Errnos\n\nThe kernel says why it refuses with a number. Each row was provoked: a test makes the call and compares the number.\n" +
		"What a number means depends on the call, so an error of the kit names both (`lessons/errno`).\n\n" +
		"<!-- errnos: go test ./lessons/errno -update -->\n| errno | text | a call that gives it | why |\n| --- | --- | --- | --- |\n")
	for i, m := range met {
		require.True(t, i == 0 || unix.ErrnoName(met[i-1].number) < unix.ErrnoName(m.number), "the table is in alphabetical order")
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", unix.ErrnoName(m.number), m.number.Error(), m.call, m.why)
	}
	b.WriteString("<!-- end -->\n")
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(b.String()), 0o644))
	}
	have, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(have), "go test ./lessons/errno -update writes it")
}
