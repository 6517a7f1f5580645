//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/stagetest"
)

// The test binary's program creates a cgroup with a child in it and waits to be killed.
func TestMain(m *testing.M) {
	stagetest.Main(m, func() {
		g, err := New("orphan", Resources{})
		if err == nil {
			cmd := exec.Command("sleep", "60")
			var after func()
			if after, err = g.Prepare(cmd); err == nil {
				err = cmd.Start()
				after()
			}
		}
		if err == nil && len(os.Args) > 1 && os.Args[1] == "frozen" {
			err = g.Freeze()
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(g.Path("freezer"))
		time.Sleep(time.Minute)
	})
}

func TestBadInput(t *testing.T) {
	for name, r := range map[string]Resources{
		"cannot be negative":             {Pids: -1},
		"bytes of memory: cannot be neg": {Memory: -5},
		"the kernel counts in pages":     {Memory: 1},
		"limit of 7 bytes of memory":     {MemoryHigh: 7},
		"limit of -5 bytes of swap":      {Memory: 1 << 20, Swap: -5},
		"swap: needs a memory limit":     {Swap: 1 << 20},
		"OOMGroup needs a memory limit":  {OOMGroup: true},
		"must be between 0.01":           {CPU: -0.5},
		"quota of at least 1000 µs":      {CPU: 0.009},
		"limit of NaN CPUs":              {CPU: math.NaN()},
		"CPU weight of 10001":            {CPUWeight: 10001},
		`CPU list "abc"`:                 {CPUs: "abc"},
		`CPU list "3-1"`:                 {CPUs: "3-1"},
		`CPU list "0,,1"`:                {CPUs: "0,,1"},
		`CPU list "-1"`:                  {CPUs: "-1"},
		`disk "sda"`:                     {IO: []IOLimit{{Device: "sda", Write: 1}}},
		`no controller "processes"`:      {Count: []string{"processes"}},
	} {
		_, err := New("bad", r)
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), "\n")
	}
	require.Error(t, CheckWeight(0))
	require.Error(t, CheckWeight(10001))
	require.NoError(t, CheckWeight(1))
	_, err := New("a/b", Resources{})
	require.ErrorContains(t, err, "a/b")
}

// The writes are computed without the kernel: they are the same on every machine.
func TestSettings(t *testing.T) {
	r := Resources{Pids: 20, Memory: 1 << 26, Swap: 1 << 20, MemoryLow: 1 << 24, CPU: 0.2, CPUWeight: 300, CPUs: "0-1",
		IO: []IOLimit{{Device: "8:0", Read: 5, Write: 6, WriteOps: 7}}}
	require.NoError(t, r.Check())
	text := func(list []setting) (s []string) {
		for _, w := range list {
			s = append(s, w.file+"="+w.data)
		}
		return s
	}
	require.Equal(t, []string{"pids.max=20", "memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=68157440", "memory.soft_limit_in_bytes=16777216",
		"cpu.cfs_period_us=100000", "cpu.cfs_quota_us=20000", "cpu.shares=3072", "cpuset.cpus=0-1",
		"blkio.throttle.read_bps_device=8:0 5", "blkio.throttle.write_bps_device=8:0 6", "blkio.throttle.write_iops_device=8:0 7"}, text(r.v1()))
	require.NoError(t, r.lacks(V1))
	r.MemoryHigh, r.OOMGroup = 1<<25, true
	require.Equal(t, []string{"pids.max=20", "memory.max=67108864", "memory.swap.max=1048576", "memory.high=33554432", "memory.low=16777216", "memory.oom.group=1",
		"cpu.max=20000 100000", "cpu.weight=300", "cpuset.cpus=0-1", "io.max=8:0 rbps=5 wbps=6 wiops=7"}, text(r.v2()))
	require.NoError(t, r.lacks(V2))
	require.Equal(t, []string{"cpu", "cpuset", "io", "memory", "pids"}, r.controllers())
	require.False(t, r.Empty())
	require.True(t, Resources{}.Empty())

	page := int64(os.Getpagesize())
	for _, c := range []struct {
		file, wrote, read string
		holds             bool
	}{
		{"pids.max", "20", "20\n", true},
		{"pids.max", "20", "max", false},
		{"memory.max", fmt.Sprint(5*page + 1), fmt.Sprint(5 * page), true},
		{"memory.max", fmt.Sprint(5 * page), fmt.Sprint(6 * page), false},
		{"memory.oom.group", "1", "1", true},
		{"memory.oom.group", "1", "0", false},
		{"memory.swap.max", "0", "0", true},
		{"memory.swap.max", "0", "max", false},
		{"cpuset.cpus", "0,1,2", "0-2", true},
		{"cpuset.cpus", "0-2", "0-1", false},
		{"io.max", "8:0 wbps=6", "7:0 rbps=1 wbps=2 riops=max wiops=max\n8:0 rbps=max wbps=6 riops=max wiops=max", true},
		{"io.max", "8:0 wbps=6", "8:0 rbps=max wbps=7 riops=max wiops=max", false},
		{"io.max", "8:0 wbps=6", "", false},
	} {
		require.Equal(t, c.holds, setting{file: c.file, data: c.wrote}.holds(c.read), "%+v", c)
	}
}

// The hierarchies are parsed without the kernel, too: the tables are from other machines.
func TestTrees(t *testing.T) {
	v2 := parseTrees("30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", "0::/user.slice/user-1000.slice\n")
	require.Equal(t, []tree{{mount: "/sys/fs/cgroup", own: "/sys/fs/cgroup/user.slice/user-1000.slice"}}, v2)

	v1 := parseTrees(`33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
42 31 0:39 /docker/abc /sys/fs/cgroup/with\040space rw - cgroup cgroup rw,pids
`, "4:pids:/docker/abc/x\n3:cpu,cpuacct:/\n2:hugetlb:/\n1:name=systemd:/\n0::/\n")
	require.Equal(t, []tree{
		{mount: "/sys/fs/cgroup/unified", own: "/sys/fs/cgroup/unified"},
		{mount: "/sys/fs/cgroup/with space", own: "/sys/fs/cgroup/with space/x", controllers: []string{"pids"}},
		{mount: "/sys/fs/cgroup/cpu,cpuacct", own: "/sys/fs/cgroup/cpu,cpuacct", controllers: []string{"cpu", "cpuacct"}},
		{mount: "/sys/fs/cgroup/systemd", own: "/sys/fs/cgroup/systemd", controllers: []string{"name=systemd"}},
	}, v1)
}

// group creates a cgroup, or skips the test with the reason.
func group(t *testing.T, r Resources) *Group {
	t.Helper()
	g, err := New("test", r)
	var no *Unavailable
	if errors.As(err, &no) {
		require.NotEmpty(t, no.Fix)
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Remove()) })
	return g
}

// The steps of an ordinary user run as root of a user namespace. An error that says "user 0 is not
// allowed … run it as root" does not help.
func TestWhoMayNotIsNamedByHisNumberOutside(t *testing.T) {
	for _, c := range []struct {
		euid   int
		uidMap string
		want   int
	}{
		{0, "         0          0 4294967295\n", 0},
		{1000, "         0          0 4294967295\n", 1000},
		{0, "         0       1000          1\n", 1000},
		{1000, "      1000       1000          1\n", 1000},
		{0, "         0     100000      65536\n", 0}, // root in a container with more users
		{0, "", 0},
	} {
		require.Equal(t, c.want, user(c.euid, c.uidMap), c.uidMap)
	}
}

func TestLimitsAreReadBack(t *testing.T) {
	g := group(t, Resources{Pids: 20, Memory: 1<<26 + 1, CPU: 0.2, CPUWeight: 300})
	got, err := g.Get("pids.max")
	require.NoError(t, err)
	require.Equal(t, "20", got)
	got, err = g.Get("memory.max")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(1<<26), got)
	require.NoError(t, g.Set("pids.max", "30"))
	err = g.Set("pids.max", "many")
	require.ErrorContains(t, err, `write "many" to `)
	require.ErrorContains(t, err, "pids.max: invalid argument")
}

// Limits that only v2 has are in force there. On v1 they are an error that says so: no limit is
// silently dropped.
func TestLimitsOfOneVersion(t *testing.T) {
	group(t, Resources{Count: []string{"memory"}}) // or skip
	h, err := Find()
	require.NoError(t, err)
	for file, r := range map[string]Resources{
		"memory.high":      {MemoryHigh: 1 << 25},
		"memory.oom.group": {Memory: 1 << 26, OOMGroup: true},
	} {
		g, err := New("lacks", r)
		if h.Version == V1 {
			require.ErrorIs(t, err, errors.ErrUnsupported)
			require.ErrorContains(t, err, "cgroup v1 has no "+file)
			continue
		}
		require.NoError(t, err)
		got, err := g.Get(file)
		require.NoError(t, err)
		require.NotContains(t, []string{"max", "0"}, got)
		require.NoError(t, g.Remove())
	}
	g := group(t, Resources{Memory: 1 << 26, Swap: 1 << 20, MemoryLow: 1 << 24})
	for file, want := range map[string]map[Version]int64{
		"memory.swap.max": {V1: 1<<26 + 1<<20, V2: 1 << 20},
		"memory.low":      {V1: 1 << 24, V2: 1 << 24},
	} {
		got, err := g.Get(file)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(want[h.Version]), got, file)
	}
}

func TestNoSuchCPU(t *testing.T) {
	group(t, Resources{Count: []string{"cpuset"}}) // or skip
	_, err := New("bad", Resources{CPUs: "8000"})
	require.ErrorContains(t, err, "no CPU 8000 here")
}

// A failed New leaves nothing behind.
func TestFailsWhole(t *testing.T) {
	g := group(t, Resources{Count: []string{"io", "pids"}})
	_, err := New("half", Resources{Pids: 5, IO: []IOLimit{{Device: "4095:4095", Write: 1 << 20}}})
	require.Error(t, err)
	for _, dir := range g.dirs {
		left, err := filepath.Glob(filepath.Dir(dir) + "/half-*")
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

// The child is in the cgroup before its first instruction, and its files keep their numbers.
func TestBornInside(t *testing.T) {
	g := group(t, Resources{Count: []string{"pids"}})
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	cmd := exec.Command("sh", "-c", `cat /proc/self/cgroup; echo "$0 $1"; echo through >&3; ls -l /proc/self/fd`, "zero", "one two")
	cmd.ExtraFiles = []*os.File{w}
	after, err := g.Prepare(cmd)
	require.NoError(t, err)
	out, err := cmd.Output()
	after()
	_ = w.Close()
	require.NoError(t, err)
	own := "/" + g.Name + "\n"
	if g.Version == V2 {
		own = "/" + g.Name + "/leaf\n"
	}
	require.Contains(t, string(out), own)
	require.Contains(t, string(out), "zero one two\n")
	require.NotContains(t, string(out), "/tasks", "no file descriptor for joining stays open")
	buf := make([]byte, 16)
	n, err := r.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "through\n", string(buf[:n]))

	cmd = exec.Command("no-such-program")
	_, err = g.Prepare(cmd)
	require.ErrorIs(t, err, exec.ErrNotFound)
}

func TestFreezeThawKill(t *testing.T) {
	g := group(t, Resources{})
	cmd := exec.Command("sleep", "60")
	after, err := g.Prepare(cmd)
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	after()
	require.NoError(t, g.Freeze())
	require.NoError(t, g.Thaw())
	require.NoError(t, g.Freeze())
	require.NoError(t, g.Kill(), "even when it is frozen")
	_ = cmd.Wait()
	pids, err := g.Procs()
	require.NoError(t, err)
	require.Empty(t, pids)
	require.NoError(t, g.Remove())
	require.NoError(t, g.Remove(), "it can be called twice")
	require.NoDirExists(t, g.Path("freezer"))
}

// A cgroup whose owner runs is left alone. After a kill -9 it is swept, with its processes, even
// when it is frozen.
func TestSweep(t *testing.T) {
	g := group(t, Resources{})
	for _, how := range []string{"", "frozen"} {
		cmd := stagetest.Me().Command(t.Context(), how)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		buf := make([]byte, 4096)
		n, err := out.Read(buf)
		require.NoError(t, err)
		dir := strings.TrimSpace(string(buf[:n]))
		pids, err := procs(dir + "/cgroup.procs")
		if g.Version == V2 {
			pids, err = procs(dir + "/leaf/cgroup.procs")
		}
		require.NoError(t, err, dir)
		require.Len(t, pids, 1)

		_, err = SweepAll()
		require.NoError(t, err)
		require.DirExists(t, dir)
		require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
		_ = cmd.Wait()
		_, err = SweepAll() // or a test of another package was faster
		require.NoError(t, err)
		require.NoDirExists(t, dir)
		require.DirExists(t, g.Path("freezer"), "our own cgroup still exists")
		require.Eventually(t, func() bool {
			_, err := os.Stat(fmt.Sprintf("/proc/%d", pids[0]))
			return err != nil
		}, 5*time.Second, 10*time.Millisecond)
	}
}

// A cleanup that runs while cgroups are created and removed removes none of them. The place is
// removed with the last one, and a process that waits for its lock then creates it again.
func TestPlaceComesAndGoes(t *testing.T) {
	h := group(t, Resources{}).Hierarchy()
	stop, swept := make(chan struct{}), make(chan []string)
	go func() {
		var removed []string
		for {
			select {
			case <-stop:
				swept <- removed
				return
			default:
				gone, _ := h.sweep(true)
				removed = append(removed, gone...)
			}
		}
	}()
	for range 100 {
		g, err := h.New("comesandgoes", Resources{})
		require.NoError(t, err)
		_, err = g.Procs()
		require.NoError(t, err, "the cgroup exists")
		require.NoError(t, g.Remove())
	}
	close(stop)
	for _, dir := range <-swept {
		require.NotContains(t, dir, "comesandgoes")
	}
}

// If one hierarchy has two controllers, as v1 usually mounts cpu and cpuacct, a cgroup has one
// directory there, and so has a cgroup below it. (Ordinary directories stand in for the
// hierarchies, because this machine may mount them separately.)
func TestTwoControllersInOneTree(t *testing.T) {
	cpu, freezer := t.TempDir(), t.TempDir()
	g := &Group{Version: V1, Name: Prefix + "x", h: &Hierarchy{Version: V1}, dirs: map[string]string{}}
	for _, c := range []string{"cpu", "cpuacct"} {
		require.NoError(t, g.mkdir(c, cpu))
	}
	require.NoError(t, g.mkdir("freezer", freezer))
	require.Len(t, g.all(), 2)
	below, err := g.Below("deeper")
	require.NoError(t, err)
	cpu, freezer = cpu+"/containerkit/x/deeper", freezer+"/containerkit/x/deeper"
	require.Equal(t, map[string]string{"cpu": cpu, "cpuacct": cpu, "freezer": freezer}, below.dirs)
}

// A process of the same user can hold the lock. A process that waits for it says so, and gives up
// after a while.
func TestAnotherProcessHoldsTheLock(t *testing.T) {
	name := t.TempDir()
	dir, err := openDirAt(unix.AT_FDCWD, name, name)
	require.NoError(t, err)
	defer dir.Close()
	require.NoError(t, flock(dir, time.Second))
	again, err := openDirAt(unix.AT_FDCWD, name, name)
	require.NoError(t, err)
	require.ErrorContains(t, flock(again, 30*time.Millisecond), "lslocks")
}

// inner creates a hierarchy on v2 that only the test uses, below its own cgroup. No controller is
// enabled there yet.
func inner(t *testing.T) *Hierarchy {
	t.Helper()
	h, err := Find()
	if err != nil {
		t.Skip(err)
	}
	if h.Version != V2 {
		t.Skip("cgroup v1 has no cgroup.subtree_control")
	}
	g := group(t, Resources{Pids: 100, CPU: 0.9, Count: []string{"memory"}})
	for _, c := range []string{"pids", "cpu", "memory"} {
		require.NoError(t, g.HandDown(c))
	}
	root := g.Path("") + "/root"
	require.NoError(t, os.Mkdir(root, 0o755))
	on, err := read(root + "/cgroup.subtree_control")
	require.NoError(t, err)
	require.Empty(t, strings.TrimSpace(on))
	return &Hierarchy{Version: V2, Own: root, Root: root, Parents: map[string]string{"pids": root, "cpu": root, "memory": root}}
}

// v2: controllers that were enabled for our cgroups are disabled again once the last one is
// removed.
func TestRestore(t *testing.T) {
	h := inner(t)
	on := func() string {
		text, err := read(h.Root + "/cgroup.subtree_control")
		require.NoError(t, err)
		return strings.TrimSpace(text)
	}
	var groups []*Group
	for range 2 {
		g, err := h.New("test", Resources{Pids: 10, CPU: 0.5, Count: []string{"memory"}})
		require.NoError(t, err)
		groups = append(groups, g)
	}
	require.ElementsMatch(t, []string{"cpu", "memory", "pids"}, strings.Fields(on()))
	require.NoError(t, groups[0].Remove())
	require.ElementsMatch(t, []string{"cpu", "memory", "pids"}, strings.Fields(on()),
		"the other cgroup needs them")
	require.NoError(t, groups[1].Remove())
	require.Empty(t, on())
}

// v2: a limit that another process set meanwhile, with a controller that we enabled, is kept.
func TestRestoreLeavesWhatOthersUse(t *testing.T) {
	for _, limit := range []string{"", "77"} {
		h := inner(t)
		g, err := h.New("test", Resources{Pids: 10})
		require.NoError(t, err)
		other := h.Root + "/somebody-else"
		require.NoError(t, os.Mkdir(other, 0o755))
		if limit != "" {
			require.NoError(t, write(other+"/pids.max", limit))
		}
		require.NoError(t, g.Remove())
		after, err := read(other + "/pids.max")
		if limit == "" {
			require.ErrorIs(t, err, os.ErrNotExist,
				"a cgroup without a limit does not keep the controller enabled")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, limit, strings.TrimSpace(after))
	}
}

func TestDisk(t *testing.T) {
	_, _, err := Disk("/proc")
	require.ErrorContains(t, err, "is not on its own disk")
	_, _, err = Disk("/no/such")
	require.ErrorIs(t, err, os.ErrNotExist)
}
