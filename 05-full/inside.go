//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
	"containerkit/03-rootfs/rootfs"
	"containerkit/05-full/container"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/stage"
)

// launch starts a container whose command is a function of this program, and returns our end of the
// conversation with that function. change can adapt the configuration. The returned function, or
// Ctrl-C, kills the container.
func launch(function string, change func(*container.Config) error) (
	*container.Container, *child.Conn, func(), error) {
	exe, err := child.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	defer exe.Close()
	ours, theirs, err := child.Pair()
	if err != nil {
		return nil, nil, nil, err
	}
	defer theirs.Close()
	c := withLimits(options.Config)
	c.Args, c.Extra = child.Argv(function, 3, 4, ""), []*os.File{exe, theirs}
	c.Stderr = os.Stderr
	if err := change(&c); err != nil {
		ours.Close()
		return nil, nil, nil, err
	}
	// A reader of the narration can press Ctrl-C before the container has started.
	half, started := make(chan struct{}), make(chan struct{})
	c.Cancel = half
	defer stage.OnInterrupt(func() { close(half); <-started })()
	ct, err := container.Start(c)
	close(started)
	if err != nil {
		ours.Close()
		return nil, nil, nil, err
	}
	end := func() { ours.Close(); _ = ct.Close() }
	cancel := stage.OnInterrupt(end)
	return ct, ours, func() { cancel(); end() }, nil
}

// run runs a shell script in a container that has these volumes, and returns what it prints.
func run(script string, volumes ...rootfs.Volume) (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	c := withLimits(options.Config)
	c.Args, c.Stdout, c.Stderr = []string{"/bin/sh", "-c", script}, w, w
	c.Root.Volumes = append(slices.Clone(c.Root.Volumes), volumes...)
	ct, err := container.Start(c)
	w.Close()
	if err != nil {
		return "", err
	}
	defer stage.OnInterrupt(func() { _ = ct.Close() })()
	out, err := io.ReadAll(r)
	_, waitErr := ct.Wait()
	return strings.TrimSpace(string(out)), errors.Join(err, waitErr)
}

// A view is what a process reports of itself and its surroundings.
type view struct {
	Hostname   string
	Caps       string // CapEff of /proc/self/status
	NoNewPrivs int
	Files      int    // open directories
	Key        string // the result of reading the key that leaveKey added
	Init       string // the result of opening /proc/1/mem for writing
	Interrupts string // the size of /proc/interrupts
	Sysctl     string // the result of opening a network setting for writing
}

// viewer reports its view, and stays until the conversation ends.
var viewer = child.Register("view", func(c *child.Conn) error {
	var v view
	var err error
	if v.Hostname, err = os.Hostname(); err != nil {
		return err
	}
	v.Caps = status(0, "CapEff")
	v.NoNewPrivs, _ = strconv.Atoi(status(0, "NoNewPrivs"))
	// We have opened no directory, so any open one is inherited.
	for fd := 3; fd < 256; fd++ {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			v.Files++
		}
	}
	v.Key = readKey(forgottenKey)
	v.Init = outcome("/proc/1/mem", os.O_RDWR)
	if raw, err := os.ReadFile("/proc/interrupts"); err != nil {
		v.Interrupts = errno.Name(err)
	} else {
		v.Interrupts = plural(len(raw), "byte", "bytes")
	}
	v.Sysctl = outcome("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY)
	if err := c.Send(v); err != nil {
		return err
	}
	c.Wait()
	return nil
})

// outcome opens a file, and returns "opened" or the name of the error.
func outcome(path string, flags int) string {
	f, err := os.OpenFile(path, flags, 0)
	if err == nil {
		f.Close()
		return "opened"
	}
	return errno.Name(err)
}

// readKey reads a key of the session keyring, and returns "read" or the name of the error: keyctl(2).
func readKey(name string) string {
	key, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", name, 0)
	if err == nil {
		_, err = unix.KeyctlBuffer(unix.KEYCTL_READ, key, make([]byte, 64), 0)
	}
	if err == nil {
		return "read"
	}
	return errno.Name(err)
}

// status returns a field of /proc/PID/status, or "" if the process is gone. PID 0 is our own process.
func status(pid int, field string) string {
	value, _ := procfs.Status(pid, field)
	return value
}

// commandOf returns the container's command: the first child of its PID 1.
func commandOf(ct *container.Container) (*procfs.Process, error) {
	for range 200 {
		if p := holdFirst(ct.Process.PID); p != nil {
			return p, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, fmt.Errorf("PID 1 of the container, process %d, has no child", ct.Process.PID)
}

// holdFirst returns the first child of a process, or nil. The child is not ours: only if it is still
// the first one once we hold its pidfd, its PID was not reused meanwhile.
func holdFirst(parent int) *procfs.Process {
	all := children(parent)
	if len(all) == 0 {
		return nil
	}
	p, err := procfs.Open(all[0])
	if err != nil {
		return nil
	}
	if again := children(parent); len(again) == 0 || again[0] != all[0] {
		_ = p.Close()
		return nil
	}
	return p
}

// becomes waits until a process runs the program of that name.
func becomes(pid int, name string) error {
	for range 500 {
		if nameOf(pid) == name {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("process %d does not run %s", pid, name)
}

// children lists the children of a process by their PIDs in the innermost PID namespace: orphans that
// were reparented later come later.
func children(pid int) (list []int) {
	inner := map[int]int{}
	all, _ := procfs.Processes()
	for _, child := range all {
		if status(child, "PPid") != strconv.Itoa(pid) {
			continue
		}
		if pids, err := procfs.NSpid(child); err == nil {
			inner[child] = pids[len(pids)-1]
			list = append(list, child)
		}
	}
	slices.SortFunc(list, func(a, b int) int { return inner[a] - inner[b] })
	return list
}

// zombies counts the exited children that a process has not reaped.
func zombies(pid int) (count int) {
	for _, child := range children(pid) {
		if strings.HasPrefix(status(child, "State"), "Z") {
			count++
		}
	}
	return count
}
