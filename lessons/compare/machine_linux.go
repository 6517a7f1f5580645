package compare

import (
	"bufio"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
)

// Here describes this machine (uname(2), sysinfo(2), /proc/cpuinfo). Why it has no KVM is for the caller to say.
func Here() (Machine, error) {
	m := Machine{Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Root: os.Geteuid() == 0}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return m, os.NewSyscallError("uname", err)
	}
	m.Kernel = unix.ByteSliceToString(u.Release[:])
	var s unix.Sysinfo_t
	if err := unix.Sysinfo(&s); err != nil {
		return m, os.NewSyscallError("sysinfo", err)
	}
	m.Memory = float64(s.Totalram) * float64(s.Unit) / (1 << 30)
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	defer f.Close()
	// Not every architecture names its processor, or tells that a hypervisor made it.
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, v, _ := strings.Cut(lines.Text(), ":")
		switch strings.TrimSpace(name) {
		case "model name":
			m.Processor = strings.TrimSpace(v)
		case "flags":
			m.Virtual = slices.Contains(strings.Fields(v), "hypervisor")
		}
	}
	if err := lines.Err(); err != nil {
		return m, err
	}
	h, err := cgroup.Find()
	if err == nil {
		m.Cgroup = h.Version.String()
	} else {
		m.Cgroup = "no cgroups" // an ordinary user has none on many machines; the containers are without limits then
	}
	return m, nil
}
