//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/narrate"
)

var (
	uidInside = can("getuid", func([]string) (any, error) { return os.Getuid(), nil })
	// A file that exists in memory only, held open by its maker. Its owner is who made it, as with any file.
	makeFile = can("make a file", func([]string) (any, error) {
		fd, err := unix.MemfdCreate("a file of mine", unix.MFD_CLOEXEC)
		return fd, os.NewSyscallError("memfd_create", err)
	})
	owner = can("stat", func(a []string) (any, error) { return ownerOf(a[0]) })
	// The name stays the same: what counts is whether we may set it.
	tryHostnames = can("try to set hostnames", func([]string) (any, error) {
		outer, err := allowed(keepHostname())
		if err != nil {
			return nil, err
		}
		own, err := allowed(namespace.Unshare(namespace.UTS))
		if err == nil && own == "allowed" {
			own, err = allowed(keepHostname())
		}
		return fmt.Sprintf("the host's %s, its own %s", outer, own), err
	})
)

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
	n.Question("What is root worth inside, if inside is a user namespace?")
	// Who could change the hostname must not have the real one at hand.
	host, err := newAgent(namespace.Spec{New: ownHostname()})
	if err != nil {
		return err
	}
	defer host.close()
	plain, err := host.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	control, err := identity(plain)
	if err != nil {
		return err
	}
	n.Before("without a user namespace, a user ID is the same inside and outside", narrate.Data{"uid": control.uids})

	spec := namespace.Container()
	spec.New, spec.Setgroups = namespace.User, false
	n.Do(narrate.Call{Text: fmt.Sprintf("start a process in a user namespace of its own, whose root is user %d outside", spec.UIDs[0].Outside),
		Go: "namespace.Container().Apply(cmd) with New: namespace.User", Sys: fmt.Sprintf(`clone(CLONE_NEWUSER), write("/proc/PID/uid_map", "0 %d %d")`, spec.UIDs[0].Outside, spec.UIDs[0].Count),
		Man: "user_namespaces(7)", Hand: "unshare --user --map-root-user", At: namespace.Spec.Apply})
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
	got, err := identity(inside)
	if err != nil {
		return err
	}
	n.Evidence(fmt.Sprintf("/proc/%d/uid_map (inside, outside, how many)", inside.PID), got.uidMap)
	n.Proof("root inside is somebody else outside", got.uid == 0 && got.outside != 0, got.uids, control.uids)
	n.Proof("a file that root makes inside belongs, seen from outside, to who he is there", got.fileIn == 0 && got.fileOut == got.outside, got.files, control.files)
	n.Evidence("who owns the host's / outside and inside (65534: nobody, for users that are not in the map)", got.root)

	caps, err := procfs.Status(inside.PID, "CapEff")
	if err != nil {
		return err
	}
	n.Evidence(fmt.Sprintf("CapEff in /proc/%d/status: the capabilities of root inside", inside.PID), caps)
	n.Note("these capabilities count for what belongs to the user namespace. The host's hostname belongs to the host's; a UTS namespace made inside belongs to the inside")
	var may, control2 string
	if err := inside.ask(&may, tryHostnames); err != nil {
		return err
	}
	if err := plain.ask(&control2, tryHostnames); err != nil {
		return err
	}
	n.Proof("the right to set a hostname works inside and not outside", may == "the host's refused, its own allowed", may, control2)
	n.Proof("groups cannot be dropped inside: a group may be what keeps you out of a file", got.setgroups == "deny", got.setgroups, control.setgroups)
	n.ByHand(
		"unshare --user --map-root-user sh -c 'id -u; cat /proc/self/uid_map /proc/self/setgroups'",
		"f=$(mktemp) && unshare --user --map-root-user stat -c %u $f; stat -c %u $f; rm $f",
	)
	return nil
}

// ownHostname is a UTS namespace if we could set the real hostname otherwise.
func ownHostname() namespace.Set {
	if namespace.Capable(unix.CAP_SYS_ADMIN) {
		return namespace.UTS
	}
	return 0
}

// who is a process seen from both sides.
type who struct {
	uid, outside, fileIn, fileOut        uint32
	uids, files, root, uidMap, setgroups string
}

func identity(a *agent) (w who, err error) {
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
	w.uids = fmt.Sprintf("inside %d, outside %d", w.uid, w.outside)

	var fd int
	if err := a.ask(&fd, makeFile); err != nil {
		return w, err
	}
	if err := a.ask(&w.fileIn, owner, fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil {
		return w, err
	}
	if w.fileOut, err = ownerOf(fmt.Sprintf("%s/fd/%d", dir, fd)); err != nil {
		return w, err
	}
	w.files = fmt.Sprintf("inside %d, outside %d", w.fileIn, w.fileOut)

	var rootIn uint32
	if err := a.ask(&rootIn, owner, "/"); err != nil {
		return w, err
	}
	rootOut, err := ownerOf("/")
	if err != nil {
		return w, err
	}
	w.root = fmt.Sprintf("%d, %d", rootOut, rootIn)
	for file, text := range map[string]*string{"/uid_map": &w.uidMap, "/setgroups": &w.setgroups} {
		raw, err := os.ReadFile(dir + file)
		if err != nil {
			return w, err
		}
		*text = strings.Join(strings.Fields(string(raw)), " ")
	}
	return w, nil
}
