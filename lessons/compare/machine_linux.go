package compare

import (
	"bufio"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
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
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// Not every architecture names its processor.
		if name, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(v)
			break
		}
	}
	return m, nil
}
