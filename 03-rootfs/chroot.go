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
)

type chrootAsk struct {
	Root, Marker string
	Without      bool
}

type chrootAnswer struct {
	Root     []string // what "/" holds
	ByPath   string   // the marker, read by its path
	ByHandle string   // the marker, read through a directory that was opened before
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
		a.ByHandle = errno.Outcome(err)
		return a, nil
	}
	buf := make([]byte, 256)
	k, err := unix.Read(fd, buf)
	a.ByHandle = string(buf[:max(k, 0)])
	return a, err
})

// chroot: chroot changes what / means, and nothing else.
func chroot(n *narrate.Narrator) error {
	n.Question("chroot gives a process another root directory. Is it now shut in?")
	dir, done, err := place(n)
	if err != nil {
		return err
	}
	defer done()
	secret := rand.Text()
	if err := populate(dir.Path, map[string]string{"secret": secret, "root/hello": "hello"}); err != nil {
		return err
	}
	before := list("/")
	n.OldBefore("the host's / as everybody sees it", narrate.Data{"names": len(before)})
	n.Do(narrate.Call{
		Text:   "make a directory the root of one process, and go there",
		Go:     fmt.Sprintf("rootfs.Chroot(%q)", dir.Join("root")),
		OldSys: `chroot("…/root"), chdir("/")`,
		Man:    "chroot(2)",
		Hand:   "chroot " + dir.Join("root"),
		At:     rootfs.Chroot,
	})
	p, err := start(inChroot, namespace.Mount, chrootAsk{dir.Join("root"), dir.Join("secret"), n.Without})
	if err != nil {
		return err
	}
	defer p.Close()
	var a chrootAnswer
	if err := p.Receive(&a); err != nil {
		return err
	}
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/root", p.Process.Pid))
	if err != nil {
		return err
	}
	n.OldEvidence("from outside, /proc/PID/root of that process leads to", link)
	n.OldEvidence("from inside, / holds", strings.Join(a.Root, " "))
	n.OldProof("inside, / is the directory and holds nothing else", len(a.Root) == 1 && a.Root[0] == "hello",
		fmt.Sprintf("%d name", len(a.Root)), fmt.Sprintf("%d names", len(before)))
	n.OldProof("by its path the file outside is out of reach", a.ByPath == "ENOENT", a.ByPath, look(dir.Join("secret")))
	n.OldProof("but a directory that was opened before still leads there: chroot takes nothing away",
		a.ByHandle == secret && a.ByPath != secret, "read through the open directory: "+fmt.Sprint(a.ByHandle == secret),
		"read by its path: "+fmt.Sprint(a.ByPath == secret))
	hostname, _ := os.Hostname()
	n.OldEvidence("process number, user and hostname, inside and as the host sees them",
		fmt.Sprintf("%d, %d, %s and %d, %d, %s", a.PID, a.UID, a.Hostname, p.Process.Pid, os.Getuid(), hostname))
	n.Note("\"chroot isolates\" is a misconception: processes, network, hostname and users are the same as before, and the next step walks out")
	n.Note("the man page says so itself: chroot is not intended to be used for any kind of security purpose")
	n.ByHand(`unshare --user --map-root-user chroot /usr /bin/ls -d /bin /lib`)
	return nil
}
