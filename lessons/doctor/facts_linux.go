package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/course"
)

// facts reads what the machine says of itself. Only the attempts decide; this is to understand why they failed.
func facts() []Fact {
	list := []Fact{kernel(), proc(), user(), inside(), seccomp()}
	list = append(list, cgroups()...)
	return append(list, limits()...)
}

// read is the content of a small file in one line, or nothing.
func read(path string) string {
	raw, _ := os.ReadFile(path)
	return strings.Join(strings.Fields(string(raw)), " ")
}

func kernel() Fact {
	f := Fact{Name: "kernel", Value: "Linux " + read("/proc/sys/kernel/osrelease")}
	if older(read("/proc/sys/kernel/osrelease"), 5, 14) {
		f.Advice = "The course is written for 5.14 and later. Older kernels lack some of it: overlay in a user namespace (5.11), cgroup.kill (5.14). Upgrade, or use a VM."
	}
	return f
}

// older reports whether a kernel's release is before a version. One that cannot be read is not called old.
func older(release string, major, minor int) bool {
	var a, b int
	if _, err := fmt.Sscanf(release, "%d.%d", &a, &b); err != nil {
		return false
	}
	return a < major || a == major && b < minor
}

// proc says whether /proc is the doctor's own. Where it is not, nothing is tried.
func proc() Fact {
	switch err := procfs.Check(); {
	case err == nil:
		return Fact{Name: "/proc", Value: "of this PID namespace"}
	case errors.Is(err, procfs.ErrForeign):
		return Fact{Name: "/proc", Value: err.Error(), Advice: newProc}
	default:
		return Fact{Name: "/proc", Value: err.Error(), Advice: "$ sudo mount -t proc proc /proc"}
	}
}

// newProc is how a shell gets a /proc of its own.
const newProc = "Every program of the course stops here: it would take processes of the host " +
	"for its own. Start the shell again (an ordinary user adds --user --map-root-user):\n" +
	"$ unshare --pid --fork --mount-proc"

func user() Fact {
	f := Fact{Name: "user", Value: fmt.Sprintf("%d, an ordinary user: the steps take a user namespace", os.Geteuid())}
	if os.Geteuid() == 0 {
		f.Value = "root"
		if m := read("/proc/self/uid_map"); m != "0 0 4294967295" {
			f.Value = "root of a user namespace (uid_map " + m + ")"
		}
		if !namespace.Capable(unix.CAP_SYS_ADMIN) {
			f.Value += ", without CAP_SYS_ADMIN"
			f.Advice = "Root without this capability makes no namespaces: an outer container dropped it. Start that with --privileged, or run outside of it."
		}
	}
	return f
}

// inside says in what this machine runs, and how one knows.
func inside() Fact {
	var found []string
	advice := ""
	is := func(what, how string) { found = append(found, what+" ("+how+")") }
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }

	release := read("/proc/sys/kernel/osrelease")
	switch {
	case exists("/.dockerenv"):
		is("Docker", "/.dockerenv is there")
	case exists("/run/.containerenv"):
		is("podman", "/run/.containerenv is there")
	case read("/run/systemd/container") != "":
		is(read("/run/systemd/container"), "/run/systemd/container")
	default:
		env, _ := os.ReadFile("/proc/1/environ") // root only
		for v := range strings.SplitSeq(string(env), "\x00") {
			if name, ok := strings.CutPrefix(v, "container="); ok {
				is(name, "container= in the environment of process 1")
			}
		}
	}
	if len(found) > 0 && Probe(course.MountNS).Outcome == Unsupported {
		advice = "A container inside a container needs rights that the outer one withholds. Start that one with --privileged, on a machine that is yours, or run the lessons outside of it."
	}
	if strings.Contains(read("/proc/version"), "gVisor") {
		is("gVisor", "/proc/version")
	}
	if strings.Contains(strings.ToLower(release), "microsoft") {
		if strings.Contains(release, "WSL2") {
			is("WSL2", "the kernel's name")
		} else {
			is("WSL1", "the kernel's name")
			advice = "WSL1 is no Linux kernel:\n$ wsl --set-version <distribution> 2"
		}
	}
	cpu := read("/proc/cpuinfo")
	dmi := strings.TrimSpace(read("/sys/class/dmi/id/sys_vendor") + " " + read("/sys/class/dmi/id/product_name"))
	switch {
	case strings.Contains(cpu, "User Mode Linux"):
		is("User-mode Linux", "/proc/cpuinfo")
	case strings.Contains(" "+cpu+" ", " hypervisor "):
		how := "the CPU's hypervisor flag"
		if dmi != "" {
			how += "; " + dmi
		}
		is("a virtual machine", how)
	}
	if len(found) == 0 {
		found = []string{"nothing that shows: a machine of its own"}
	}
	return Fact{Name: "inside of", Value: strings.Join(found, ", "), Advice: advice}
}

// seccomp looks at /proc/self/status: 2 means that somebody outside filters our system calls (seccomp(2), proc(5)).
func seccomp() Fact {
	f := Fact{Name: "seccomp", Value: "no filter"}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); {
		case key == "Seccomp" && value != "0":
			f.Value = "an outer sandbox filters system calls (mode " + value + ")"
			f.Advice = "If steps fail with EPERM or ENOSYS, it is this filter. In Docker:\n$ docker run --security-opt seccomp=unconfined …"
		case key == "NoNewPrivs" && value == "1":
			f.Value += "; no_new_privs is set, so sudo and newuidmap do not work here"
		}
	}
	return f
}

func cgroups() []Fact {
	h, err := cgroup.Find()
	var list []Fact
	if h != nil && h.Version != 0 {
		v := h.Version.String()
		f := Fact{Name: "cgroups", Value: v}
		if h.Hybrid {
			f.Value += ", hybrid: a v2 tree without controllers beside it"
		}
		if h.Version == cgroup.V1 {
			f.Value += ". The lessons teach v2, and tell where v1 differs"
			if _, err := os.Stat("/run/systemd/system"); err == nil { // sd_booted(3)
				f.Advice = "This makes it v2 (not needed for the course):\n" + bootWith("systemd.unified_cgroup_hierarchy=1")
			}
		}
		list = append(list, f, Fact{Name: "own cgroup", Value: or(h.Own, "not below a mounted tree")})
		if h.Version == cgroup.V2 {
			list = append(list,
				Fact{Name: "cgroup.controllers", Value: or(read(filepath.Join(h.Own, "cgroup.controllers")), "none")},
				Fact{Name: "subtree_control", Value: or(read(filepath.Join(h.Own, "cgroup.subtree_control")), "hands nothing down")},
			)
		}
	}
	f := Fact{Name: "delegation"}
	var no *cgroup.Unavailable
	switch {
	case errors.As(err, &no):
		f.Value, f.Advice = no.Reason, no.Fix
	case err != nil:
		f.Value = err.Error()
	case h.Version == cgroup.V2:
		f.Value = "groups can be made in " + h.Root + ": " + or(strings.Join(h.Controllers(), " "), "without controllers")
	default:
		f.Value = "groups can be made for " + strings.Join(h.Controllers(), " ")
	}
	return append(list, f)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// limits are the settings that forbid namespaces, or limit their number.
func limits() []Fact {
	var list []Fact
	paths, _ := filepath.Glob("/proc/sys/user/max_*_namespaces")
	byValue := map[string][]string{}
	var order []string
	for _, p := range paths {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(p), "max_"), "_namespaces")
		v := read(p)
		if byValue[v] == nil {
			order = append(order, v)
		}
		byValue[v] = append(byValue[v], name)
	}
	for _, v := range order {
		f := Fact{Name: "namespaces a user", Value: v + " of " + strings.Join(byValue[v], ", ")}
		if n, err := strconv.Atoi(v); err == nil && n == 0 {
			for _, name := range byValue[v] {
				f.Advice += fmt.Sprintf("$ sudo sysctl -w user.max_%s_namespaces=15000\n", name)
			}
		}
		list = append(list, f)
	}
	for _, s := range []struct{ path, bad, good string }{
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "0"},
		{"kernel/unprivileged_userns_clone", "0", "1"},
	} {
		v := read("/proc/sys/" + s.path)
		if v == "" {
			continue // this kernel does not have the setting, so it forbids nothing
		}
		name := strings.ReplaceAll(s.path, "/", ".")
		f := Fact{Name: filepath.Base(s.path), Value: v}
		if v == s.bad {
			f.Advice = fmt.Sprintf("This keeps user namespaces from ordinary users. To allow them until the next boot, and for good:\n"+
				"$ sudo sysctl -w %s=%s\n$ echo %s=%s | sudo tee /etc/sysctl.d/60-containerkit.conf", name, s.good, name, s.good)
		}
		list = append(list, f)
	}
	return list
}
