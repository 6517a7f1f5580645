//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Resources holds the limits to ask for. A zero field sets no limit. A limit that this version of
// cgroups does not have is an error of New, and is never silently dropped.
//
// Everywhere is for containers. On v1, a hierarchy in which a process has not joined its own cgroup
// shows it the host's whole hierarchy, even in a cgroup namespace: its root there is the host's.
// Root in a container can create a user namespace and mount it. So the container joins a cgroup in
// every mounted hierarchy in which we can create one, including systemd's own and the v2 hierarchy
// of a hybrid machine. All our cgroups share one there, which has no limits. v2 has one hierarchy,
// and Everywhere adds nothing.
type Resources struct {
	Pids       int64     // highest number of processes and threads
	Memory     int64     // highest number of bytes: above it, the kernel kills a process
	Swap       int64     // bytes of swap in addition to Memory; 0 allows none
	MemoryHigh int64     // bytes above which processes are throttled and pages reclaimed (v2 only)
	MemoryLow  int64     // bytes not reclaimed as long as other cgroups have some to give
	OOMGroup   bool      // the OOM killer kills all processes of the cgroup, not one (v2 only)
	CPU        float64   // CPU time, in CPUs: 0.2 is 20 ms in every 100 ms
	CPUWeight  uint64    // the share when cgroups compete for a CPU, 1 to 10000; the default is 100
	CPUs       string    // the CPUs on which the processes can run: "0-2,7"
	IO         []IOLimit // the bandwidth of each disk
	Count      []string  // controllers for their counters only: "pids", "memory", "cpu"…
	Everywhere bool      // join one of our cgroups in each hierarchy, even without a limit there
}

// IOLimit limits one disk; 0 means no limit.
type IOLimit struct {
	Device            string // "major:minor" of the whole disk: see Disk
	Read, Write       uint64 // bytes a second
	ReadOps, WriteOps uint64 // operations a second
	DeviceDir         string // shown to the user: a directory on the disk
}

// Empty reports whether r asks for nothing, so that no cgroup is needed.
func (r Resources) Empty() bool { return len(r.controllers()) == 0 && !r.Everywhere }

// Budget holds the limits of a command in the containers of the first four stages, and the defaults
// of the fifth.
var Budget = Resources{Pids: 128, Memory: 256 << 20, CPU: 0.5, Everywhere: true}

// period is the period of a CPU quota in microseconds: the default of the kernel.
const period = 100_000

// Check reports, as an error, whether the kernel would reject these limits, before anything is
// created.
func (r Resources) Check() error {
	page := int64(os.Getpagesize())
	switch {
	case r.Pids < 0:
		return fmt.Errorf("cgroup: limit of %d processes: cannot be negative", r.Pids)
	case r.Swap < 0:
		return fmt.Errorf("cgroup: limit of %d bytes of swap: cannot be negative", r.Swap)
	case r.Swap > 0 && r.Memory == 0:
		return fmt.Errorf("cgroup: limit of %d bytes of swap: needs a memory limit", r.Swap)
	case r.OOMGroup && r.Memory == 0:
		return fmt.Errorf("cgroup: OOMGroup needs a memory limit")
	case math.IsNaN(r.CPU) || r.CPU < 0 || r.CPU > 1<<16:
		return fmt.Errorf("cgroup: limit of %v CPUs: must be between 0.01 and 65536", r.CPU)
	case r.CPU > 0 && r.CPU*period < 1000:
		return fmt.Errorf("cgroup: limit of %v CPUs (%.0f µs in %d): "+
			"the kernel needs a quota of at least 1000 µs (0.01 CPUs)",
			r.CPU, r.CPU*period, period)
	case r.CPUWeight > 10000:
		return fmt.Errorf("cgroup: CPU weight of %d: must be between 1 and 10000", r.CPUWeight)
	}
	for _, bytes := range []int64{r.Memory, r.MemoryHigh, r.MemoryLow} {
		if bytes < 0 {
			return fmt.Errorf("cgroup: limit of %d bytes of memory: cannot be negative", bytes)
		}
		if bytes > 0 && bytes < page {
			return fmt.Errorf("cgroup: limit of %d bytes of memory: "+
				"the kernel counts in pages of %d bytes", bytes, page)
		}
	}
	if _, err := parseCPUs(r.CPUs); err != nil {
		return err
	}
	for _, io := range r.IO {
		major, minor, ok := strings.Cut(io.Device, ":")
		if _, err := strconv.ParseUint(major+minor, 10, 64); err != nil || !ok {
			return fmt.Errorf("cgroup: disk %q: must be major:minor, such as 8:0", io.Device)
		}
	}
	for _, c := range r.Count {
		if !slices.Contains([]string{"pids", "memory", "cpu", "cpuset", "io", "pressure"}, c) {
			return fmt.Errorf("cgroup: no controller %q", c)
		}
	}
	return nil
}

// lacks returns an error that names a limit of r that cgroup v1 does not have.
func (r Resources) lacks(v Version) error {
	file := ""
	switch {
	case v == V2:
		return nil
	case r.MemoryHigh != 0:
		file = "memory.high"
	case r.OOMGroup:
		file = "memory.oom.group"
	default:
		return nil
	}
	return fmt.Errorf("cgroup: %s has no %s: leave it out, or boot with %s (systemd.unified_cgroup_hierarchy=1): %w", v, file, V2, errors.ErrUnsupported)
}

// CheckWeight checks a weight that a user gave: 0 is an error, whereas in Resources it means "no
// weight set".
func CheckWeight(w uint64) error {
	if w < 1 || w > 10000 {
		return fmt.Errorf("cgroup: CPU weight of %d: must be between 1 and 10000", w)
	}
	return nil
}

// controllers lists the controllers to enable for these limits, by their names in v2.
func (r Resources) controllers() []string {
	list := slices.Clone(r.Count)
	for _, c := range []struct {
		name string
		want bool
	}{{"pids", r.Pids != 0}, {"memory", r.Memory != 0 || r.MemoryHigh != 0 || r.MemoryLow != 0}, {"cpu", r.CPU != 0 || r.CPUWeight != 0}, {"cpuset", r.CPUs != ""}, {"io", len(r.IO) > 0}} {
		if c.want {
			list = append(list, c.name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// A setting is one write to one file of a cgroup.
type setting struct {
	file, data string
	optional   bool // missing without swap accounting, and not needed without swap
}

// v2 returns the writes that set r on cgroup v2.
func (r Resources) v2() (list []setting) {
	add := func(file, data string) { list = append(list, setting{file: file, data: data}) }
	if r.Pids != 0 {
		add("pids.max", strconv.FormatInt(r.Pids, 10))
	}
	if r.Memory != 0 {
		add("memory.max", strconv.FormatInt(r.Memory, 10))
		// Without this the kernel swaps pages out instead of enforcing the limit, as long as swap
		// is left.
		list = append(list, setting{"memory.swap.max", strconv.FormatInt(r.Swap, 10), r.Swap == 0})
	}
	if r.MemoryHigh != 0 {
		add("memory.high", strconv.FormatInt(r.MemoryHigh, 10))
	}
	if r.MemoryLow != 0 {
		add("memory.low", strconv.FormatInt(r.MemoryLow, 10))
	}
	if r.OOMGroup {
		add("memory.oom.group", "1")
	}
	if r.CPU != 0 {
		add("cpu.max", fmt.Sprintf("%d %d", r.quota(), period))
	}
	if r.CPUWeight != 0 {
		add("cpu.weight", strconv.FormatUint(r.CPUWeight, 10))
	}
	if r.CPUs != "" {
		add("cpuset.cpus", r.CPUs)
	}
	for _, io := range r.IO {
		line := io.Device
		if io.Read != 0 {
			line += fmt.Sprintf(" rbps=%d", io.Read)
		}
		if io.Write != 0 {
			line += fmt.Sprintf(" wbps=%d", io.Write)
		}
		if io.ReadOps != 0 {
			line += fmt.Sprintf(" riops=%d", io.ReadOps)
		}
		if io.WriteOps != 0 {
			line += fmt.Sprintf(" wiops=%d", io.WriteOps)
		}
		add("io.max", line)
	}
	return list
}

// v1 returns the writes that set r on cgroup v1. The name up to the first dot is the controller,
// and each controller has its own hierarchy there.
func (r Resources) v1() (list []setting) {
	add := func(file, data string) { list = append(list, setting{file: file, data: data}) }
	if r.Pids != 0 {
		add("pids.max", strconv.FormatInt(r.Pids, 10))
	}
	if r.Memory != 0 {
		add("memory.limit_in_bytes", strconv.FormatInt(r.Memory, 10))
		// v1 limits memory and swap together, so "no swap" is the same number again. It cannot be
		// below the limit on memory alone, so it is written second.
		list = append(list, setting{"memory.memsw.limit_in_bytes", strconv.FormatInt(r.Memory+r.Swap, 10), r.Swap == 0})
	}
	if r.MemoryLow != 0 {
		add("memory.soft_limit_in_bytes", strconv.FormatInt(r.MemoryLow, 10))
	}
	if r.CPU != 0 {
		add("cpu.cfs_period_us", strconv.Itoa(period))
		add("cpu.cfs_quota_us", strconv.FormatInt(r.quota(), 10))
	}
	if r.CPUWeight != 0 {
		// The default is a weight of 100 on v2 and 1024 shares on v1.
		add("cpu.shares", strconv.FormatUint(r.CPUWeight*1024/100, 10))
	}
	if r.CPUs != "" {
		add("cpuset.cpus", r.CPUs)
	}
	for _, io := range r.IO {
		for _, l := range []struct {
			file  string
			limit uint64
		}{{"read_bps", io.Read}, {"write_bps", io.Write}, {"read_iops", io.ReadOps}, {"write_iops", io.WriteOps}} {
			if l.limit != 0 {
				add("blkio.throttle."+l.file+"_device", fmt.Sprintf("%s %d", io.Device, l.limit))
			}
		}
	}
	return list
}

func (r Resources) quota() int64 { return int64(math.Round(r.CPU * period)) }

// holds reports whether a file that was written contains the requested limit. The kernel rounds
// memory down to whole pages, formats CPU lists in its own way, and adds limits of a disk that were
// not set.
func (s setting) holds(got string) bool {
	got = strings.TrimSpace(got)
	switch {
	case s.file == "memory.oom.group":
		return got == s.data
	case strings.HasPrefix(s.file, "memory."):
		want, err1 := strconv.ParseInt(s.data, 10, 64)
		have, err2 := strconv.ParseInt(got, 10, 64)
		page := int64(os.Getpagesize())
		return err1 == nil && err2 == nil && have == want/page*page
	case s.file == "cpuset.cpus":
		want, err1 := parseCPUs(s.data)
		have, err2 := parseCPUs(got)
		return err1 == nil && err2 == nil && slices.Equal(want, have)
	case strings.HasPrefix(s.file, "io.") || strings.HasPrefix(s.file, "blkio."):
		for line := range strings.Lines(got) {
			have := strings.Fields(line)
			if !slices.ContainsFunc(strings.Fields(s.data), func(w string) bool { return !slices.Contains(have, w) }) {
				return true
			}
		}
		return false
	}
	return got == s.data
}

// parseCPUs parses the kernel's format of a list of CPUs: "0-2,7". (cpuset(7), "List format")
func parseCPUs(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		if part == "" && list == "" {
			break
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err1 := strconv.Atoi(first)
		b, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || a < 0 || b < a || b > 1<<13 {
			return nil, fmt.Errorf("cgroup: CPU list %q: must be numbers and ranges, such as 0-2,7",
				list)
		}
		for cpu := a; cpu <= b; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}
