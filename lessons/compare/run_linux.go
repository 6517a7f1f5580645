package compare

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/scratch"
)

// A kind of start: a command line for the program, which may get one argument.
type kind struct {
	name, made string
	argv       func(n int, args ...string) []string
	disk       []string                    // files that must be there
	after      func(n int) (argv []string) // what removes the traces of a run that was killed
	vm         bool
	missing    string
	pkg        string // that it is installed with, if of another name
}

// Run measures. Nothing is left behind when it returns.
func Run(ctx context.Context, c Config) ([]Row, error) {
	dir, err := scratch.New()
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Remove() }()
	// An orphan below us becomes our child, so that no process of a runtime escapes the sum.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, os.NewSyscallError("prctl(PR_SET_CHILD_SUBREAPER)", err)
	}
	kinds, err := prepare(c, dir)
	if err != nil {
		return nil, err
	}
	starts, wholes := make([][]time.Duration, len(kinds)), make([][]time.Duration, len(kinds))
	rows := make([]Row, len(kinds))
	for i := range kinds {
		k := &kinds[i]
		if k.missing == "" { // once, not counted: it warms the caches, and reports whether it works here at all
			if _, _, err := once(ctx, k.argv(i)); err != nil {
				k.missing = err.Error()
			}
		}
		c.Tell(fmt.Sprintf("%-14s %s", k.name, map[bool]string{true: "works", false: k.missing}[k.missing == ""]))
	}
	for round := range max(c.Rounds, c.VMs) {
		for i, k := range kinds {
			if k.missing != "" || k.vm && round >= c.VMs || !k.vm && round >= c.Rounds {
				continue
			}
			start, whole, err := once(ctx, k.argv(1000+round*len(kinds)+i))
			if err != nil {
				return nil, fmt.Errorf("%s, which has worked before: %w", k.name, err)
			}
			starts[i], wholes[i] = append(starts[i], start), append(wholes[i], whole)
		}
	}
	for i, k := range kinds {
		rows[i] = Row{Name: k.name, Made: k.made, Start: spread(starts[i]), Whole: spread(wholes[i]), Missing: k.missing}
		if k.missing != "" {
			continue
		}
		for _, file := range k.disk {
			if info, err := os.Stat(file); err == nil {
				rows[i].Disk += float64(info.Size()) / (1 << 20)
			}
		}
		if rows[i].Memory, err = idle(ctx, k, 2000+i); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// once runs a command line and returns when the first byte came, and when all had ended.
func once(ctx context.Context, argv []string) (first, whole time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	buf := make([]byte, 1)
	_, readErr := io.ReadFull(out, buf)
	first = time.Since(began)
	_, _ = io.Copy(io.Discard, out)
	err = cmd.Wait()
	whole = time.Since(began)
	reap()
	if err == nil {
		err = readErr
	}
	if err != nil {
		said := strings.Split(strings.TrimSpace(errs.String()), "\n")
		return 0, 0, fmt.Errorf("%w: %s", err, said[len(said)-1])
	}
	return first, whole, nil
}

// reap reaps the orphans that were reparented to us.
func reap() {
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}

// idle starts the program so that it stays, adds up the memory of all processes that belong to it, and ends it.
func idle(ctx context.Context, k kind, n int) (mib float64, err error) {
	argv := k.argv(n, "stay")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err == nil {
		time.Sleep(100 * time.Millisecond) // let it come to rest
		for _, pid := range below(os.Getpid()) {
			kib, ok := pss(pid)
			if !ok {
				mib = 0 // one that may not be read would make the sum a lie
				break
			}
			mib += kib / 1024
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		_ = cmd.Process.Kill()
		<-gone
	}
	killBelow()
	if k.after != nil {
		after := k.after(n)
		_ = exec.Command(after[0], after[1:]...).Run() // it may have cleaned up by itself
	}
	reap()
	return mib, nil
}

// killBelow ends what is left of a start. Most of it are not our children, so a number may be another
// process's by the time that it gets the signal: each is held by a pidfd before we ask again whether it
// descends from us.
func killBelow() {
	held := map[int]*procfs.Process{}
	for _, pid := range below(os.Getpid()) {
		if p, err := procfs.Open(pid); err == nil { // an error means that it has exited
			defer p.Close()
			held[pid] = p
		}
	}
	for _, pid := range below(os.Getpid()) {
		if p := held[pid]; p != nil {
			_ = p.Signal(unix.SIGKILL)
		}
	}
}

// below are the processes that descend from one: the PPid of /proc/PID/status, followed.
func below(root int) (pids []int) {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		raw, err := os.ReadFile("/proc/" + e.Name() + "/status")
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(raw)) {
			if v, ok := strings.CutPrefix(line, "PPid:"); ok {
				parent, _ := strconv.Atoi(strings.TrimSpace(v))
				children[parent] = append(children[parent], pid)
			}
		}
	}
	for next := children[root]; len(next) > 0; {
		pids = append(pids, next...)
		var deeper []int
		for _, pid := range next {
			deeper = append(deeper, children[pid]...)
		}
		next = deeper
	}
	return pids
}

// pss is what a process costs, in KiB: its own pages, and its share of those that it shares.
func pss(pid int) (kib float64, ok bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, true // it has ended
	}
	for line := range strings.Lines(string(raw)) {
		if v, found := strings.CutPrefix(line, "Pss:"); found {
			kib, err = strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 64)
			return kib, err == nil
		}
	}
	return 0, false
}

// limits is what our container has of them: none, where this user can have no cgroup.
func limits() string {
	g, err := cgroup.New("compare", cgroup.Resources{Pids: 1})
	if err != nil {
		return "no limits (no cgroup for this user), "
	}
	_ = g.Remove() // left behind, it is clean's
	return "cgroup limits, "
}

// prepare builds what is compared: the program, our container, a root directory and a bundle for the others.
func prepare(c Config, dir *scratch.Dir) ([]kind, error) {
	root := dir.Join("bundle", "rootfs")
	for _, d := range []string{root, filepath.Join(root, "proc"), filepath.Join(root, "dev"), filepath.Join(root, "sys"), filepath.Join(root, "etc"), filepath.Join(root, "tmp"), filepath.Join(root, "run"), dir.Join("state"), dir.Join("storage")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	// Root inside may be another user outside.
	for d := root; len(d) >= len(dir.Path); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			return nil, err
		}
	}
	payload, ours := filepath.Join(root, "payload"), dir.Join("05-full")
	for program, pkg := range map[string]string{payload: "./lessons/compare/payload", ours: "./05-full"} {
		cmd := exec.Command("go", "build", "-trimpath", "-o", program, pkg)
		cmd.Dir = c.Root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // static: a dynamic start costs more
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
		}
	}
	list := []kind{
		{name: "process", made: "fork and exec, nothing else", disk: []string{payload},
			argv: func(_ int, args ...string) []string { return append([]string{payload}, args...) }},
		{name: "containerkit", made: "eight namespaces, " + limits() + "overlay root, few capabilities", disk: []string{payload, ours},
			argv: func(_ int, args ...string) []string {
				return append([]string{ours, "-quiet", "-rootfs", root, "--", "/payload"}, args...)
			}},
	}
	list = append(list, kind{name: "bwrap", pkg: "bubblewrap", made: "seven namespaces, bound root; no limits", disk: []string{payload},
		argv: func(_ int, args ...string) []string {
			return append([]string{"bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "/payload"}, args...)
		}})
	for _, name := range []string{"crun", "runc"} {
		list = append(list, kind{name: name, made: "six namespaces, cgroup limits, bound root, few capabilities", disk: []string{payload},
			argv: func(n int, args ...string) []string {
				bundle := dir.Join("bundle")
				if err := writeBundle(bundle, args); err != nil {
					return []string{"false"}
				}
				return []string{name, "--root", dir.Join("state"), "run", "--bundle", bundle, id(n)}
			},
			after: func(n int) []string { return []string{name, "--root", dir.Join("state"), "delete", "--force", id(n)} }})
	}
	// Not its overlay driver, which leaves a mount on the directory of its storage. An ordinary user's podman writes to these
	// three places as well, and would leave directories there.
	podman := []string{"env", "HOME=" + dir.Join("storage"), "TMPDIR=" + dir.Join("storage"), "XDG_RUNTIME_DIR=" + dir.Join("storage"), "podman", "--storage-driver", "vfs", "--root", dir.Join("storage"), "--runroot", dir.Join("r")} // at most 50 characters
	list = append(list, kind{name: "podman", made: "an engine: storage, monitor process, runtime, cgroup, seccomp", disk: []string{payload},
		argv: func(n int, args ...string) []string {
			return append(append(slices.Clone(podman), "run", "--rm", "--network", "none", "--name", id(n), "--rootfs", root, "/payload"), args...)
		},
		after: func(n int) []string { return append(slices.Clone(podman), "rm", "--force", "--time", "0", id(n)) }})
	docker := kind{name: "docker", missing: "its engine does not answer"}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if exec.CommandContext(ctx, "docker", "info", "--format", "{{.ID}}").Run() == nil {
		docker.missing = "it runs images only, and none is made for it here"
	}
	list = append(list, docker)
	for _, m := range []struct{ engine, program, made string }{
		{"qemu", "qemu-system-x86_64", "a machine and a kernel, the host's root below an overlay"},
		{"uml", "linux.uml", "a kernel as a process, the host's root below an overlay"},
	} {
		k := kind{name: "vm, " + m.engine, made: m.made, vm: true, disk: []string{payload},
			argv: func(_ int, args ...string) []string {
				return append(append(slices.Clone(c.Lessons), "vm", "-engine", m.engine, "-keep", dir.Path, "--", payload), args...)
			}}
		if path, err := exec.LookPath(m.program); err == nil {
			k.disk = append(k.disk, path)
		}
		if c.VMs == 0 {
			k.missing = "left out, as asked"
		}
		list = append(list, k)
	}
	for i := range list {
		k := &list[i]
		if k.vm || k.missing != "" || strings.HasPrefix(k.argv(0)[0], "/") {
			continue
		}
		path, err := exec.LookPath(k.name)
		if err != nil {
			k.missing = "not installed (apt, dnf or pacman install " + cmp.Or(k.pkg, k.name) + ")"
			continue
		}
		k.disk = append(k.disk, path)
	}
	return list, nil
}

func id(n int) string { return fmt.Sprintf("containerkit-compare-%d-%d", os.Getpid(), n) }

// writeBundle writes config.json: the same program and limits as ours has. (The OCI runtime specification, config.md.)
func writeBundle(dir string, args []string) error {
	type object map[string]any
	caps := []string{"CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE"}
	namespaces := []object{}
	for _, t := range []string{"pid", "network", "ipc", "uts", "mount", "cgroup"} {
		namespaces = append(namespaces, object{"type": t})
	}
	config := object{
		"ociVersion": "1.0.2",
		"process": object{"terminal": false, "user": object{"uid": 0, "gid": 0}, "args": append([]string{"/payload"}, args...), "env": []string{"PATH=/"}, "cwd": "/",
			"capabilities": object{"bounding": caps, "effective": caps, "permitted": caps}, "noNewPrivileges": true},
		"root": object{"path": "rootfs", "readonly": true}, "hostname": "compare",
		"mounts": []object{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755", "size=64k"}},
			{"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": []string{"nosuid", "noexec", "nodev", "ro"}},
		},
		"linux": object{"namespaces": namespaces, "resources": object{"pids": object{"limit": 128}, "memory": object{"limit": 256 << 20}, "cpu": object{"quota": 50000, "period": 100000}},
			"maskedPaths": []string{"/proc/kcore", "/proc/keys", "/sys/firmware"}, "readonlyPaths": []string{"/proc/bus", "/proc/sys", "/proc/sysrq-trigger"}},
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), raw, 0o644)
}
