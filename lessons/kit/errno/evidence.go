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

// machine reads the facts by which the explainer chooses between meanings. Tests replace it.
var machine = struct {
	uid    func() int
	root   func() bool               // in the initial user namespace
	has    func(capability int) bool // in the effective set
	filter func() bool               // this process has a seccomp filter
	sysctl func(path string) string  // the file below /proc/sys, or ""
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

// status returns a field of /proc/self/status (proc_pid_status(5)).
func status(field string) string {
	raw, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// NoUserNamespace says which setting of this machine forbids user namespaces to an ordinary user,
// and what to do. It returns "" if no known setting does.
func NoUserNamespace() string {
	if why := noMore("user"); why != "" {
		return why
	}
	return forbidden()
}

// forbidden says which setting makes the creation of a user namespace, or a call in it, fail with
// EPERM. It returns "" if no known setting does.
func forbidden() string {
	switch root := machine.root(); {
	case !root && machine.sysctl("kernel/unprivileged_userns_clone") == "0":
		return "This Debian kernel keeps user namespaces for root. " +
			"Allow them: sudo sysctl -w kernel.unprivileged_userns_clone=1"
	case !root && machine.sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return "AppArmor gives an ordinary user's namespace no capabilities (Ubuntu 24.04 and later). " +
			"Allow it until the next boot: " +
			"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, " +
			"or run as root: go run -exec sudo ./NN-name"
	}
	return ""
}

// kinds lists the namespaces that have a limit, /proc/sys/user/max_KIND_namespaces (namespaces(7)).
var kinds = []string{"user", "pid", "mnt", "net", "uts", "ipc", "cgroup", "time"}

// noMore explains that the limit on namespaces of this kind is 0. It returns "" if it is not.
func noMore(kind string) string {
	limit := "user.max_" + kind + "_namespaces"
	if machine.sysctl(strings.Replace(limit, ".", "/", 1)) != "0" {
		return ""
	}
	return "The limit " + limit + " is 0, so no process here can create a namespace of that kind. " +
		"Raise it: sudo sysctl -w " + limit + "=15000"
}

// limitReached explains ENOSPC from clone(2) and unshare(2). If the text names the kind of
// namespace, it ignores the limits of the other kinds.
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
	return "No disk is full. A limit on namespaces is reached, in this or in an outer user namespace " +
		"(/proc/sys/user/max_*_namespaces), or user or PID namespaces are nested deeper than 32. " +
		"(namespaces(7))"
}

// privilege explains a call that fails for lack of a privilege; what names the capability.
func privilege(capability int, what string) string {
	if why := forbidden(); why != "" {
		return why
	}
	why := what
	switch has := machine.has(capability); {
	case has && machine.filter():
		why += " This process has it, but also a seccomp filter, which can forbid the call " +
			"(see Seccomp in /proc/self/status)."
	case machine.filter():
		why += " This process does not have it, and has a seccomp filter, as container engines set it " +
			"(see CapEff and Seccomp in /proc/self/status)."
	case !machine.root():
		return why + " An ordinary user has it only in their own user namespace, for what that namespace owns."
	case !has:
		return why + " Root in this process does not have it: see CapEff in /proc/self/status."
	default:
		return why + " Root in this process has it, so maybe a security module denied the call. (dmesg | tail)"
	}
	return why + " Start the container with --privileged (only on your own machine), or run the lessons " +
		"outside of it."
}

// mapRefused explains EPERM from a write to uid_map or gid_map.
func mapRefused(failure) string {
	if why := forbidden(); why != "" {
		return why
	}
	if machine.uid() == 0 && !machine.has(capSetfcap) {
		return "Since Linux 5.12, a mapping of UID 0 of the outer user namespace needs CAP_SETFCAP there, " +
			"and root in this process does not have it: see CapEff in /proc/self/status. " +
			"Run the program with it, or as an ordinary user. (user_namespaces(7))"
	}
	return "An ID map can be written only once, and without CAP_SETUID in the outer user namespace it can " +
		"map only your own ID. For gid_map, write \"deny\" to setgroups first. (user_namespaces(7))"
}
