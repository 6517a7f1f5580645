//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/narrate"
)

var (
	uidInside = can("getuid", func([]string) (any, error) { return os.Getuid(), nil })
	// A file that exists in memory only, as long as its creator has it open.
	createFile = can("create a file", func([]string) (any, error) {
		fd, err := unix.MemfdCreate("a file of mine", unix.MFD_CLOEXEC)
		return fd, os.NewSyscallError("memfd_create", err)
	})
	owner = can("stat", func(a []string) (any, error) { return ownerOf(a[0]) })
	// The name stays the same: what counts is whether the kernel lets the process set it.
	tryHostnames = can("try to set hostnames", func([]string) (any, error) {
		var h hostnames
		var err error
		if h.Hosts, err = allowed(keepHostname()); err != nil {
			return nil, err
		}
		if h.Own, err = allowed(namespace.Unshare(namespace.UTS)); err != nil || h.Own != "allowed" {
			return h, err
		}
		h.Own, err = allowed(keepHostname())
		return h, err
	})
)

// hostnames says whether a process can set the host's hostname, and that of its own UTS namespace.
type hostnames struct{ Hosts, Own string }

func keepHostname() error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	return namespace.SetHostname(name)
}

// allowed turns a refusal into an answer; every other error stays one.
func allowed(err error) (string, error) {
	if errors.Is(err, unix.EPERM) {
		return "refused", nil
	}
	return "allowed", err
}

func ownerOf(path string) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Uid, nil
}

func user(n *narrate.Narrator) error {
	n.Question("You are root in a user namespace. What can you do on the host?")
	n.Idea("A user namespace maps the UIDs inside it to other UIDs on the host. Root " +
		"inside has every capability, but only over what that namespace owns.")
	// The real hostname must be out of reach of the process that tries to change it.
	host, err := newAgent(namespace.Spec{New: ownHostname()})
	if err != nil {
		return err
	}
	defer host.close()
	plain, err := host.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	control, err := identityOf(plain)
	if err != nil {
		return err
	}
	n.Control("Without a user namespace, a UID is the same inside and on the host",
		narrate.Show("UID", control.uids))

	spec := namespace.Container()
	spec.New, spec.Setgroups = namespace.User, false
	uids := spec.UIDs[0]
	n.Do(narrate.Call{
		Text: fmt.Sprintf("Start a process in a new user namespace, with root mapped to UID %d",
			uids.Outside),
		Sys: [][2]string{{"clone(CLONE_NEWUSER)", ""},
			{fmt.Sprintf(`write("/proc/PID/uid_map", "0 %d %d")`, uids.Outside, uids.Count),
				"inside, host, how many"}},
		Go:  "namespace.Container().Apply(cmd) with New: namespace.User",
		Man: "user_namespaces(7)", Hand: "unshare --user --map-root-user", At: namespace.Spec.Apply,
		Without: "Start a process without a user namespace",
	})
	if n.Without {
		spec = namespace.Spec{}
	}
	inside, err := host.agent(spec)
	if err != nil {
		return err
	}
	if err := differ(n, "user", host.PID, inside.PID); err != nil {
		return err
	}
	got, err := identityOf(inside)
	if err != nil {
		return err
	}
	n.Detail(narrate.Show("/proc/PID/uid_map", got.uidMap, "inside, host, how many"))
	n.Proof("Root inside is an unprivileged UID on the host", got.uid == 0 && got.outside != 0,
		narrate.Compare("UID", got.uids, "without", control.uids))
	n.Proof("A file that root creates inside is owned by the mapped UID on the host",
		got.fileIn == 0 && got.fileOut == got.outside,
		narrate.Compare("owner of the file", got.files, "without", control.files),
		narrate.Show("owner of host's /", got.root, unmapped(got.rootIn)))
	return userPrivileges(n, inside, plain, got, control)
}

// userPrivileges proves what root inside can do, and what it can't.
func userPrivileges(n *narrate.Narrator, inside, plain *agent, got, control identity) error {
	caps, err := procfs.Status(inside.PID, "CapEff")
	if err != nil {
		return err
	}
	var can, before hostnames
	if err := inside.ask(&can, tryHostnames); err != nil {
		return err
	}
	if err := plain.ask(&before, tryHostnames); err != nil {
		return err
	}
	n.Proof("Root inside can set its own hostname but not the host's",
		can.Hosts == "refused" && can.Own == "allowed",
		narrate.Show("CapEff", caps, every(caps)),
		narrate.Compare("the host's hostname", can.Hosts, "without", before.Hosts),
		narrate.Compare("its own hostname", can.Own, "without", before.Own))
	n.Proof("Root inside can't drop supplementary groups", got.setgroups == "deny",
		narrate.Compare("/proc/PID/setgroups", got.setgroups, "without", control.setgroups))
	n.Note("A group can be what keeps you out of a file, so dropping it is denied.")
	n.Why("dockerd --userns-remap starts every container like this: a process that escapes is an " +
		"ordinary user.")
	n.WithDocker("dockerd --userns-remap=default",
		"unshare --user --map-root-user sh -c 'id -u; cat /proc/self/uid_map /proc/self/setgroups'",
		"f=$(mktemp) && unshare --user --map-root-user stat -c %u $f; stat -c %u $f; rm $f",
	)
	return nil
}

// unmapped explains the UID that the kernel shows for one that has no mapping. (user_namespaces(7))
func unmapped(uid uint32) string {
	if uid == 65534 {
		return "UID 0 isn't mapped: nobody"
	}
	return ""
}

// every says so if a set of capabilities, in hexadecimal, has all that the kernel knows.
func every(caps string) string {
	last, err1 := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	n, err2 := strconv.Atoi(strings.TrimSpace(string(last)))
	set, err3 := strconv.ParseUint(caps, 16, 64)
	if errors.Join(err1, err2, err3) == nil && set == 1<<(n+1)-1 {
		return "every capability"
	}
	return ""
}

// ownHostname returns a UTS namespace if we could set the real hostname otherwise.
func ownHostname() namespace.Set {
	if namespace.Capable(unix.CAP_SYS_ADMIN) {
		return namespace.UTS
	}
	return 0
}

// An identity is a process's user as seen from both sides.
type identity struct {
	uid, outside, fileIn, fileOut, rootIn uint32
	uids, files, root, uidMap, setgroups  string
}

func identityOf(a *agent) (w identity, err error) {
	if err := a.ask(&w.uid, uidInside); err != nil {
		return w, err
	}
	dir := fmt.Sprintf("/proc/%d", a.PID)
	status, err := procfs.Status(a.PID, "Uid") // real, effective, saved, for files
	if err != nil {
		return w, err
	}
	if _, err := fmt.Sscan(status, &w.outside); err != nil {
		return w, fmt.Errorf("%s/status: %w", dir, err)
	}
	w.uids = fmt.Sprintf("inside %d, host %d", w.uid, w.outside)

	var fd int
	if err := a.ask(&fd, createFile); err != nil {
		return w, err
	}
	if err := a.ask(&w.fileIn, owner, fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil {
		return w, err
	}
	if w.fileOut, err = ownerOf(fmt.Sprintf("%s/fd/%d", dir, fd)); err != nil {
		return w, err
	}
	w.files = fmt.Sprintf("inside %d, host %d", w.fileIn, w.fileOut)

	if err := a.ask(&w.rootIn, owner, "/"); err != nil {
		return w, err
	}
	rootOut, err := ownerOf("/")
	if err != nil {
		return w, err
	}
	w.root = fmt.Sprintf("inside %d, host %d", w.rootIn, rootOut)
	for file, text := range map[string]*string{"/uid_map": &w.uidMap, "/setgroups": &w.setgroups} {
		raw, err := os.ReadFile(dir + file)
		if err != nil {
			return w, err
		}
		*text = strings.Join(strings.Fields(string(raw)), " ")
	}
	return w, nil
}
