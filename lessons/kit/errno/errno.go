// Package errno turns an error of the kernel into what it meant here and what to do about it.
//
// A kernel has some hundred numbers for everything that can go wrong, so each of them means many things. Which one it
// was follows from the operation: EINVAL of pivot_root(2) is not EINVAL of mount(2). Explain finds the operation in
// the error's type (os.PathError, os.SyscallError) or in its text, so errors should name it: "mount overlay on /x: …".
//
// Use it where an error is shown to a reader. Do not use it to decide anything: for that there is errors.Is.
package errno

import (
	"errors"
	"os"
	"strings"
	"syscall"
)

// Explain returns one or two sentences on an error, or nothing if there is nothing to add.
func Explain(err error) string {
	var number syscall.Errno
	if err == nil || !errors.As(err, &number) {
		return ""
	}
	f := failure{text: strings.ToLower(err.Error())}
	for _, r := range rules {
		if r.matches(number, f) {
			if why := r.why(f); why != "" {
				return why
			}
		}
	}
	return ""
}

// A failure is what is known about an error besides its number.
type failure struct {
	text string // the whole error, in lower case
}

// A rule is one meaning of one number (or of two that mean the same).
type rule struct {
	numbers []syscall.Errno
	ops     []string // the text holds one of these; none: any operation
	why     func(failure) string
}

func (r rule) matches(number syscall.Errno, f failure) bool {
	for _, n := range r.numbers {
		if n != number {
			continue
		}
		if len(r.ops) == 0 {
			return true
		}
		for _, op := range r.ops {
			if strings.Contains(f.text, op) {
				return true
			}
		}
	}
	return false
}

// machine is what the explainer looks at to choose between meanings; tests replace it.
var machine = struct {
	uid    func() int
	root   func() bool              // root of the machine, not of a user namespace
	sysctl func(path string) string // the file below /proc/sys, or nothing
	exists func(path string) bool
}{
	uid: os.Geteuid,
	root: func() bool {
		raw, err := os.ReadFile("/proc/self/uid_map")
		whole := err != nil || strings.Join(strings.Fields(string(raw)), " ") == "0 0 4294967295"
		return os.Geteuid() == 0 && whole
	},
	sysctl: func(path string) string {
		raw, _ := os.ReadFile("/proc/sys/" + path)
		return strings.TrimSpace(string(raw))
	},
	exists: func(path string) bool { _, err := os.Lstat(path); return err == nil },
}

// NoUserNamespace tells which setting of this machine forbids a user namespace to an ordinary user, and the way out;
// nothing if none of the known ones does.
func NoUserNamespace() string {
	switch root := machine.root(); {
	case machine.sysctl("user/max_user_namespaces") == "0":
		return "The limit user.max_user_namespaces is 0, so nobody may have a user namespace. " +
			"Raise it: sudo sysctl -w user.max_user_namespaces=15000"
	case !root && machine.sysctl("kernel/unprivileged_userns_clone") == "0":
		return "This Debian kernel keeps user namespaces for root. " +
			"Allow them: sudo sysctl -w kernel.unprivileged_userns_clone=1"
	case !root && machine.sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return "AppArmor gives an ordinary user's namespace no capabilities (Ubuntu 24.04 and later). " +
			"Allow it until the next boot: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run as root: go run -exec sudo ./NN-name"
	case machine.exists("/.dockerenv") || machine.exists("/run/.containerenv"):
		return "This is inside a container, and its seccomp filter or its lack of CAP_SYS_ADMIN forbids new namespaces. " +
			"Start it with --privileged (only on a machine that is yours), or run the lessons outside of it."
	}
	return ""
}

// privilege explains a refusal that more privilege would lift; what names the capability.
func privilege(what string) string {
	if why := NoUserNamespace(); why != "" {
		return why
	}
	if !machine.root() {
		return what + " An ordinary user gets it only inside a user namespace of their own, over what that namespace owns."
	}
	return what + " Root in this process does not have it: see CapEff in /proc/self/status; " +
		"an outer container or its seccomp filter may have taken it away."
}
