//go:build linux

package stagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/stage"
)

// A stand-in simulates the host for a program that starts as under `unshare --pid --fork`: in a new
// PID namespace, with the /proc of the old one. It is a process in its own namespaces, so that a
// program that confuses the host's processes with its own children does not harm the real host.

// strangers is the number of the stand-in's processes. The program's children get PIDs in the same
// range, so the PID of each child belongs to one of the strangers in /proc.
const strangers = 60

// A foreignRun tells the stand-in to run the program once with each argument vector.
type foreignRun struct {
	Path, Dir string
	Env       []string
	Argv      [][]string
	UID       int // of the user; 0 is root, which needs no user namespace
}

// A foreignResult is the result of one run.
type foreignResult struct {
	Lacking        string // why the run is not possible here
	Before, After  []string
	Status         int
	Stdout, Stderr string
}

// ForeignProc checks what the program does if /proc belongs to another PID namespace: it changes
// nothing, says in one line what to do, and exits with status 1, or 125 with a command. Each of
// commands is one run. Without commands, the runs are those of a stage.
func ForeignProc(t *testing.T, commands ...[]string) {
	t.Helper()
	if len(commands) == 0 {
		commands = [][]string{{}, {"-quiet"}, {"leaks"}, {"--", "true"}}
	}
	if os.Geteuid() == 0 {
		t.Run("root", func(t *testing.T) { Me().foreignProc(t, 0, commands) })
		t.Run("user", func(t *testing.T) { AsUser(t).foreignProc(t, userID, commands) })
		return
	}
	t.Run("user", func(t *testing.T) { Me().foreignProc(t, 0, commands) })
}

func (r *Runner) foreignProc(t *testing.T, uid int, commands [][]string) {
	before := groups()
	for i, res := range r.runForeign(t, uid, commands) {
		if res.Lacking != "" {
			t.Skip(res.Lacking)
		}
		args, want := commands[i], 1
		require.Equal(t, res.Before, res.After, "%q changed its host", args)
		if slices.Contains(args, "--") {
			want = 125
		}
		require.Equal(t, want, res.Status, "%q\n%s%s", args, res.Stdout, res.Stderr)
		require.Empty(t, res.Stdout, "%q", args)
		require.Regexp(t, `^[^\n]*--mount-proc[^\n]*\n$`, res.Stderr, "%q: one line", args)
		left := func() bool { return slices.ContainsFunc(groups(), isNew(before)) }
		require.Eventually(t, func() bool { return !left() }, 10*time.Second, 100*time.Millisecond,
			"%q left a cgroup", args)
	}
}

func isNew(before []string) func(string) bool {
	return func(s string) bool { return !slices.Contains(before, s) }
}

// runForeign runs the program below a stand-in, once for each of commands.
func (r *Runner) runForeign(t *testing.T, uid int, commands [][]string) (results []foreignResult) {
	t.Helper()
	runtime.LockOSThread() // the stand-in is killed when the thread exits that starts it
	defer runtime.UnlockOSThread()
	p, err := child.Command(standIn)
	require.NoError(t, err)
	p.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS |
		unix.CLONE_NEWNET | unix.CLONE_NEWUTS
	p.SysProcAttr.UidMappings = sameIDs("uid_map", os.Geteuid())
	p.SysProcAttr.GidMappings = sameIDs("gid_map", os.Getegid())
	p.SysProcAttr.GidMappingsEnableSetgroups = os.Geteuid() == 0
	if r.group != nil {
		p.SysProcAttr.UseCgroupFD, p.SysProcAttr.CgroupFD = true, int(r.group.Fd())
	}
	if err := p.Start(); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skipf("no user namespace can be created here: %v", err)
	} else {
		require.NoError(t, err)
	}
	defer p.Close()
	cmd := r.Command(t.Context())
	run := foreignRun{Path: cmd.Path, Dir: cmd.Dir, Env: cmd.Env, UID: uid}
	for _, args := range commands {
		run.Argv = append(run.Argv, append(slices.Clone(cmd.Args), args...))
	}
	require.NoError(t, p.Send(run))
	for { // Receive waits 30 s, and the runs can take longer
		err = p.Receive(&results)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	require.NoError(t, err)
	return results
}

// sameIDs returns a mapping of all IDs to themselves for root, and of an ordinary user's ID to 0.
func sameIDs(file string, id int) (list []syscall.SysProcIDMap) {
	if os.Geteuid() != 0 {
		return []syscall.SysProcIDMap{{HostID: id, Size: 1}}
	}
	raw, _ := os.ReadFile("/proc/self/" + file)
	for line := range strings.Lines(string(raw)) {
		var first, outside, size int
		if _, err := fmt.Sscan(line, &first, &outside, &size); err == nil {
			list = append(list, syscall.SysProcIDMap{ContainerID: first, HostID: first, Size: size})
		}
	}
	return list
}

var standIn = child.Register("stagetest-stand-in", func(c *child.Conn) error {
	var run foreignRun
	if err := c.Receive(&run); err != nil {
		return err
	}
	if err := furnish(); err != nil {
		return c.Send([]foreignResult{{Lacking: err.Error()}})
	}
	pids, err := startStrangers()
	if err != nil {
		return err
	}
	var results []foreignResult
	for _, argv := range run.Argv {
		res := foreignResult{Before: lookAtHost(pids)}
		if err := run.do(argv, &res); err != nil {
			return err
		}
		res.After = lookAtHost(pids)
		results = append(results, res)
	}
	return c.Send(results)
})

// furnish mounts the stand-in's /proc, and creates a link with the name that a machine's and a
// container's link has.
func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}}
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Errorf("add a link: %w", err)
	}
	addr := &net.IPNet{IP: net.IPv4(192, 0, 2, 1), Mask: net.CIDRMask(24, 32)} // RFC 5737
	return netlink.AddrAdd(link, &netlink.Addr{IPNet: addr})
}

// startStrangers starts the strangers, each in a user namespace whose ID maps are not written yet.
// The kernel kills them when the stand-in exits, which is PID 1 of their PID namespace.
func startStrangers() (pids []int, err error) {
	for range strangers {
		cmd := exec.Command("sleep", "600")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		pids = append(pids, cmd.Process.Pid)
	}
	return pids, nil
}

// do runs the program as `unshare --pid --fork` does. For an ordinary user, it also does what
// --user --map-root-user does.
func (run foreignRun) do(argv []string, res *foreignResult) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, run.Path)
	cmd.Args, cmd.Env, cmd.Dir = argv, run.Env, run.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	if run.UID != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		root := []syscall.SysProcIDMap{{HostID: run.UID, Size: 1}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = root, root
		cmd.SysProcAttr.Credential = &syscall.Credential{NoSetGroups: true}
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); cmd.ProcessState == nil {
		return fmt.Errorf("start the program: %w", err)
	}
	res.Status, res.Stdout, res.Stderr = stage.Status(cmd.ProcessState), out.String(), errs.String()
	return nil
}

// lookAtHost returns the state that the program must not change: the strangers, and the stand-in's
// network, hostname, mounts and cgroups.
func lookAtHost(strangers []int) (seen []string) {
	for _, pid := range strangers {
		seen = append(seen, lookAtProcess(pid))
	}
	links, err := net.Interfaces()
	for _, l := range links {
		addrs, err := l.Addrs()
		seen = append(seen, fmt.Sprintf("link %s %s %v %v", l.Name, l.Flags, addrs, err))
	}
	seen = append(seen, fmt.Sprintf("links: %v", err))
	for _, file := range []string{"self/mountinfo", "self/uid_map", "self/cgroup",
		"sys/kernel/hostname", "sys/net/ipv4/ip_forward"} {
		raw, err := os.ReadFile("/proc/" + file)
		seen = append(seen, fmt.Sprintf("/proc/%s: %s%v", file, raw, err))
	}
	return seen
}

func lookAtProcess(pid int) string {
	dir := fmt.Sprintf("/proc/%d/", pid)
	text := dir
	for _, file := range []string{"uid_map", "gid_map", "setgroups", "cgroup", "oom_score_adj"} {
		raw, err := os.ReadFile(dir + file)
		text += fmt.Sprintf(" %s: %q %v", file, raw, err)
	}
	links, err := filepath.Glob(dir + "ns/*")
	for _, link := range links {
		to, err := os.Readlink(link)
		text += fmt.Sprintf(" %s %v", to, err)
	}
	return strings.TrimSpace(fmt.Sprint(text, " ", err))
}
