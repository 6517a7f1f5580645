//go:build linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"containerkit/05-full/container"
	"containerkit/lessons/kit/narrate"
)

const everyWall = container.Capabilities | container.NoNewPrivs | container.Descriptors |
	container.Undumpable | container.CoveredPaths | container.SessionKeys

// forgottenKey is the name of a key of the caller.
const forgottenKey = "containerkit-forgotten"

func walls(n *narrate.Narrator) error {
	n.Question("You are root in a container. What can you still do?")
	n.Idea("Root in a user namespace has every capability there, and reaches kernel code " +
		"that was written for root. So a container drops privileges last.")
	forgotten, err := leaveOpen("/")
	if err != nil {
		return err
	}
	defer unix.Close(forgotten)
	noKeys := leaveKey()
	bare, err := viewFrom(everyWall)
	if err != nil {
		return err
	}
	n.Control("Unrestricted: a container with its own namespaces and root, and nothing more")
	without := container.Wall(0)
	if n.Without {
		without = everyWall
	}
	n.Do(narrate.Call{
		Text: "Drop privileges, as the last part of the assembly",
		Sys: [][2]string{{"prctl(PR_CAPBSET_DROP, …), capset(…)", "keep 14 capabilities"},
			{"prctl(PR_SET_NO_NEW_PRIVS, 1)", "set-user-ID bits have no effect"},
			{"close_range(…)", "close every other file descriptor"},
			{"keyctl(KEYCTL_JOIN_SESSION_KEYRING)", "join an empty session keyring"},
			{"prctl(PR_SET_DUMPABLE, 0)", "deny access to the memory of PID 1"},
			{"mount(…), mount_setattr(…)", "mask files, or make them read-only"}},
		Go: "container.KeepCapabilities()", At: container.KeepCapabilities,
		Hand:    "docker run --security-opt no-new-privileges …; setpriv --bounding-set …",
		Man:     "capabilities(7), prctl(2), close_range(2), session-keyring(7)",
		Without: "Start the unrestricted container again",
	})
	walled, err := viewFrom(without)
	if err != nil {
		return err
	}
	prove(n, walled, bare, noKeys)
	n.Why("docker run --privileged drops no capabilities and masks nothing; --cap-drop drops more.")
	n.WithDocker("docker run --cap-drop ALL …",
		"setpriv --no-new-privs grep NoNewPrivs /proc/self/status",
		"unshare --user --map-root-user setpriv --bounding-set=-all sh -c 'grep Cap /proc/self/status'")
	n.Clean("Both containers have exited.")
	return nil
}

// prove claims what the restrictions do. noKeys is why there is no key to look for, if there is none.
func prove(n *narrate.Narrator, walled, bare view, noKeys error) {
	compare := func(label string, value, was any) narrate.Row {
		return narrate.Compare(label, value, "unrestricted", was)
	}
	n.Proof("Root keeps only Docker's default capabilities", walled.Caps == dockerDefault(),
		compare("CapEff", walled.Caps, bare.Caps))
	n.Proof("No program gains privileges through execve", walled.NoNewPrivs == 1,
		compare("NoNewPrivs", walled.NoNewPrivs, bare.NoNewPrivs))
	n.Proof("The command inherits no open directory of the host", walled.Files == 0,
		compare("open directories", walled.Files, bare.Files))
	if noKeys == nil {
		n.Proof("The command can't read the caller's keys", walled.Key == "ENOKEY",
			compare("keyctl(KEYCTL_READ)", walled.Key, bare.Key))
	} else {
		n.Skip("no keys here: "+noKeys.Error(), false)
	}
	n.Proof("The memory of PID 1 can't be opened in the container", walled.Init == "EACCES",
		compare("/proc/1/mem", walled.Init, bare.Init))
	n.Proof("Sensitive files in /proc are masked or read-only",
		walled.Interrupts == "0 bytes" && bare.Interrupts != "0 bytes" && walled.Sysctl != "opened",
		compare("/proc/interrupts", walled.Interrupts, bare.Interrupts),
		compare("…/ipv4/ip_forward", walled.Sysctl, bare.Sysctl))
}

// dockerDefault returns Docker's default capabilities in the form of /proc/PID/status.
func dockerDefault() string {
	var kept uint64
	for _, k := range container.Kept {
		kept |= 1 << k.Cap
	}
	return fmt.Sprintf("%016x", kept)
}

// leaveOpen opens a directory and leaves it open across execve, as a careless host does. The file
// descriptor is far up, where no file descriptor of the container takes its place.
func leaveOpen(dir string) (forgotten int, err error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD, 100)
}

// leaveKey adds a key to a new session keyring of ours, as a login with Kerberos does.
func leaveKey() error {
	_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
	if err == nil {
		_, err = unix.AddKey("user", forgottenKey, []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING)
	}
	return err
}

// viewFrom returns the view of a command in a container that lacks some restrictions.
func viewFrom(without container.Wall) (view, error) {
	var v view
	_, conn, end, err := launch(viewer, func(c *container.Config) error {
		c.Without = without
		return nil
	})
	if err != nil {
		return v, err
	}
	defer end()
	return v, conn.Receive(&v)
}
