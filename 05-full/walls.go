//go:build linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"containerkit/05-full/container"
	"containerkit/lessons/kit/narrate"
)

const everyWall = container.Capabilities | container.NoNewPrivs | container.Descriptors | container.Undumpable | container.CoveredPaths |
	container.SessionKeys

// forgottenKey is the name of a key of ours.
const forgottenKey = "containerkit-forgotten"

func walls(n *narrate.Narrator) error {
	n.Question("Root in its own namespaces: what can it still do, and who takes that away?")
	// Something that a careless host left open across exec.
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// Far up, where the container's own descriptors are not put in its place.
	forgotten, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD, 100)
	if err != nil {
		return err
	}
	defer unix.Close(forgotten)

	// And a key of the session, as a login with Kerberos leaves one. The session's key ring is one of our own from here on.
	_, noKeys := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
	if noKeys == nil {
		_, noKeys = unix.AddKey("user", forgottenKey, []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING)
	}

	bare, err := viewFrom(n, everyWall)
	if err != nil {
		return err
	}
	n.OldBefore("a container with all its namespaces and its own root, but without walls", narrate.Data{
		"CapEff": bare.Caps, "NoNewPrivs": bare.NoNewPrivs, "directories left open": bare.Files, "key of the session": bare.Key,
		"/proc/1/mem": bare.Init, "/proc/interrupts": bare.Interrupts, "/proc/sys/net": bare.Sysctl})
	without := container.Wall(0)
	if n.Without {
		without = everyWall
	}
	n.Do(narrate.Call{
		Text: "the last part of the assembly: keep docker's default capabilities and drop the rest, in every set; no_new_privs; close what was left open; an empty key ring; let nobody look into number 1",
		Go:   "container.Kept", OldSys: "prctl(PR_CAPBSET_DROP, …), capset(…), prctl(PR_SET_NO_NEW_PRIVS, 1), close_range(3, …), keyctl(KEYCTL_JOIN_SESSION_KEYRING), prctl(PR_SET_DUMPABLE, 0)",
		Man: "capabilities(7), prctl(2), close_range(2), session-keyring(7)", Hand: "docker run --security-opt no-new-privileges …; setpriv --bounding-set …", At: container.KeepCapabilities})
	walled, err := viewFrom(n, without)
	if err != nil {
		return err
	}
	var kept uint64
	for _, k := range container.Kept {
		kept |= 1 << k.Cap
	}
	want := fmt.Sprintf("%016x", kept)
	n.OldEvidence("CapEff inside, after", walled.Caps)
	n.OldProof("of the capabilities, docker's default set is left", walled.Caps == want, walled.Caps, bare.Caps)
	n.OldProof("no program can give it more", walled.NoNewPrivs == 1, walled.NoNewPrivs, bare.NoNewPrivs)
	n.OldProof("no directory of the host came along through a forgotten descriptor", walled.Files == 0, walled.Files, bare.Files)
	if noKeys == nil {
		n.OldProof("no key of the caller's session came along", walled.Key == "ENOKEY", walled.Key, bare.Key)
	} else {
		n.Skip("no keys here: "+noKeys.Error(), false)
	}
	n.OldProof("the memory of process number 1 is out of reach", walled.Init == "EACCES", walled.Init, bare.Init)
	n.OldProof("what /proc tells of the hardware is covered", walled.Interrupts == "covered: 0 bytes", walled.Interrupts, bare.Interrupts)
	n.OldProof("the settings of its network are out of reach", walled.Sysctl != "opened", walled.Sysctl, bare.Sysctl)
	n.ByHand("setpriv --no-new-privs grep NoNewPrivs /proc/self/status",
		"unshare --user --map-root-user setpriv --bounding-set=-all sh -c 'grep Cap /proc/self/status'")
	n.Clean("both containers have ended")
	return nil
}

// viewFrom asks a payload for its view, in a container without some walls.
func viewFrom(n *narrate.Narrator, without container.Wall) (view, error) {
	var v view
	_, conn, end, err := launch(n, viewer, func(c *container.Config) error { c.Without = without; return nil })
	if err != nil {
		return v, err
	}
	defer end()
	return v, conn.Receive(&v)
}
