//go:build linux

package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/scratch"
)

type chrootAsk struct {
	Root, Marker string
	Without      bool
}

type chrootAnswer struct {
	Root     []string // the names in "/"
	ByPath   string   // the marker, read by its path
	ByFD     string   // the marker, read through a directory that was opened before
	UID, PID int
	Hostname string
}

var inChroot = answering("in-chroot", func(q chrootAsk) (a chrootAnswer, err error) {
	outside, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return a, err
	}
	if !q.Without {
		if err := rootfs.Chroot(q.Root); err != nil {
			return a, err
		}
	}
	a = chrootAnswer{Root: list("/"), ByPath: look(q.Marker), UID: os.Getuid(), PID: os.Getpid()}
	a.Hostname, _ = os.Hostname()
	fd, err := unix.Openat(outside, strings.TrimPrefix(q.Marker, "/"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		a.ByFD = errno.Outcome(err)
		return a, nil
	}
	buf := make([]byte, 256)
	k, err := unix.Read(fd, buf)
	a.ByFD = string(buf[:max(k, 0)])
	return a, err
})

// chroot shows that chroot(2) changes the root directory of a process, and nothing else.
func chroot(n *narrate.Narrator) error {
	n.Question("Is a process in a chroot isolated from the host?")
	n.Idea("chroot(2) changes where the paths of a process begin. The process keeps everything else: " +
		"its open file descriptors, its PID, its UID, its hostname and its network.")
	dir, done, err := place(n)
	if err != nil {
		return err
	}
	defer done()
	secret := rand.Text()
	files := map[string]string{"secret": secret, "root/hello": "hello"}
	if err := populate(dir.Path, files); err != nil {
		return err
	}
	before, beforeByPath := list("/"), readable(look(dir.Join("secret")), secret)
	n.Control("Host: a process with the host's root directory",
		narrate.Show("entries in /", len(before)), narrate.Show("host's …/secret", beforeByPath))
	n.Do(narrate.Call{
		Text: "Change the root directory of a process",
		Sys: [][2]string{{`open("/", O_DIRECTORY)`, "a file descriptor of the host's root"},
			{`chroot("…/root")`, "paths begin there now"}, {`chdir("/")`, "relative paths too"}},
		Go:      fmt.Sprintf("rootfs.Chroot(%q)", dir.Join("root")),
		Man:     "chroot(2)",
		Hand:    "chroot " + dir.Join("root"),
		At:      rootfs.Chroot,
		Without: "Open / in a process, and leave its root directory as it is",
	})
	ask := chrootAsk{dir.Join("root"), dir.Join("secret"), n.Without}
	p, err := start(inChroot, namespace.Mount, ask)
	if err != nil {
		return err
	}
	defer p.Close()
	var a chrootAnswer
	if err := p.Receive(&a); err != nil {
		return err
	}
	return chrootClaims(n, dir, a, p.Process.Pid, secret, len(before), beforeByPath)
}

// chrootClaims shows what the process has found, and what it looks like from outside.
func chrootClaims(n *narrate.Narrator, dir *scratch.Dir, a chrootAnswer, pid int, secret string,
	entries int, hostByPath string) error {
	root, err := link(pid, dir)
	if err != nil {
		return err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return err
	}
	n.Evidence(narrate.Compare("UID", a.UID, "host", os.Getuid()),
		narrate.Compare("hostname", a.Hostname, "host", hostname))
	n.Detail(narrate.Compare("PID", a.PID, "host", pid),
		narrate.Show("entries in /", strings.Join(a.Root, " ")))
	n.Proof("In the chroot, / has only the files of the new root",
		len(a.Root) == 1 && a.Root[0] == "hello",
		narrate.Compare("entries in /", len(a.Root), "host", entries),
		narrate.Compare("/proc/PID/root", root, "host", "/"))
	byPath := readable(a.ByPath, secret)
	n.Proof("A path doesn't reach a file outside the chroot", a.ByPath == "ENOENT",
		narrate.Compare("host's …/secret", byPath, "host", hostByPath))
	n.Proof("A file descriptor opened before chroot still leads outside",
		a.ByFD == secret && a.ByPath != secret,
		narrate.Compare("host's …/secret", readable(a.ByFD, secret), "by its path", byPath))
	n.Note(`chroot(2): not "intended to be used for any kind of security purpose"`)
	n.Why("CVE-2024-21626 let containers of runc escape through one open directory of the host.")
	n.ByHand(`unshare --user --map-root-user chroot /usr /bin/ls -d /bin /lib`)
	return nil
}
