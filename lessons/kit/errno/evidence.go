package errno

import (
	"os"
	"strconv"
	"strings"
)

// Capabilities that errors are about, by their numbers (capabilities(7)).
const (
	capNetAdmin = 12
	capSysAdmin = 21
	capSetfcap  = 31
	capBPF      = 39
)

// machine is what the explainer looks at to choose between meanings; tests replace it.
var machine = struct {
	uid    func() int
	root   func() bool               // root of the machine, not of a user namespace
	has    func(capability int) bool // in the effective set
	filter func() bool               // a seccomp filter is on this process
	sysctl func(path string) string  // the file below /proc/sys, or nothing
}{
	uid: os.Geteuid,
	root: func() bool {
		raw, err := os.ReadFile("/proc/self/uid_map")
		whole := err != nil || strings.Join(strings.Fields(string(raw)), " ") == "0 0 4294967295"
		return os.Geteuid() == 0 && whole
	},
	has: func(capability int) bool {
		set, _ := strconv.ParseUint(status("CapEff"), 16, 64)
		return set>>capability&1 == 1
	},
	filter: func() bool { return status("Seccomp") == "2" },
	sysctl: func(path string) string {
		raw, _ := os.ReadFile("/proc/sys/" + path)
		return strings.TrimSpace(string(raw))
	},
}

// status is a field of /proc/self/status (proc_pid_status(5)).
func status(field string) string {
	raw, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// NoUserNamespace says which setting of this machine forbids a user namespace to an ordinary user, and
// the way out; nothing if none of the known ones does.
func NoUserNamespace() string {
	if why := noMore("user"); why != "" {
		return why
	}
	return forbidden()
}

// forbidden says which setting makes a user namespace, or what is done in it, fail with EPERM.
func forbidden() string {
	switch root := machine.root(); {
	case !root && machine.sysctl("kernel/unprivileged_userns_clone") == "0":
		return "This Debian kernel keeps user namespaces for root. " +
			"Allow them: sudo sysctl -w kernel.unprivileged_userns_clone=1"
	case !root && machine.sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return "AppArmor gives an ordinary user's namespace no capabilities (Ubuntu 24.04 and later). " +
			"Allow it until the next boot: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run as root: go run -exec sudo ./NN-name"
	}
	return ""
}

// kinds are the namespaces that have a limit, /proc/sys/user/max_KIND_namespaces (namespaces(7)).
var kinds = []string{"user", "pid", "mnt", "net", "uts", "ipc", "cgroup", "time"}

// noMore says that the limit on namespaces of this kind is 0, if so.
func noMore(kind string) string {
	limit := "user.max_" + kind + "_namespaces"
	if machine.sysctl(strings.Replace(limit, ".", "/", 1)) != "0" {
		return ""
	}
	return "The limit " + limit + " is 0, so no process here can create a namespace of that kind. " +
		"Raise it: sudo sysctl -w " + limit + "=15000"
}

// limitReached explains ENOSPC of clone(2) and unshare(2). If the text names the kind of namespace,
// the limits of the others are not to blame.
func limitReached(f failure) string {
	for _, kind := range kinds {
		flag := "clone_new" + strings.Replace(kind, "mnt", "ns", 1)
		if strings.Contains(f.text, "clone_new") && !strings.Contains(f.text, flag) {
			continue
		}
		if why := noMore(kind); why != "" {
			return why
		}
	}
	return "A limit on namespaces is reached, not a disk: that of this or of an outer user namespace " +
		"(/proc/sys/user/max_*_namespaces); or user or pid namespaces are nested deeper than 32. (namespaces(7))"
}

// privilege explains a refusal that more privilege would lift; what names the capability.
func privilege(capability int, what string) string {
	if why := forbidden(); why != "" {
		return why
	}
	why := what
	switch has := machine.has(capability); {
	case has && machine.filter():
		why += " This process has it, but also a seccomp filter (see Seccomp in /proc/self/status), which can forbid the call."
	case machine.filter():
		why += " This process does not have it, and a seccomp filter is on it (see CapEff and Seccomp in /proc/self/status), as a container engine sets one."
	case !machine.root():
		return why + " An ordinary user gets it only inside a user namespace of their own, over what that namespace owns."
	case !has:
		return why + " Root in this process does not have it: see CapEff in /proc/self/status."
	default:
		return why + " Root in this process has it: a security module may have refused. (dmesg | tail)"
	}
	return why + " Start that container with --privileged (only on a machine that is yours), or run the lessons outside of it."
}

// mapRefused explains EPERM of a write to uid_map or gid_map.
func mapRefused(failure) string {
	if why := forbidden(); why != "" {
		return why
	}
	if machine.uid() == 0 && !machine.has(capSetfcap) {
		return "A map that holds UID 0 of the outer user namespace needs CAP_SETFCAP there, since Linux 5.12, and root in this process does not have it: " +
			"see CapEff in /proc/self/status. Run the program with it, or as an ordinary user. (user_namespaces(7))"
	}
	return "A map is written once, and without CAP_SETUID outside it may map your own ID only; for a gid_map, \"deny\" must stand in setgroups first. (user_namespaces(7))"
}
