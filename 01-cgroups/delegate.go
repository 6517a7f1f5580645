//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

// nobody is the ordinary user that root hands a group to. (An ordinary user hands it to nobody: he has one.)
const nobody = 65534

// delegate: who is handed a group rules below it, and cannot get out.
func delegate(n *narrate.Narrator) error {
	n.Question("Only root may change /sys/fs/cgroup. How can an ordinary user have containers with limits?")
	h, err := find(n)
	if h == nil {
		return err
	}
	g, done, err := open(n, h, "delegate", cgroup.Resources{Pids: 50})
	if g == nil {
		return err
	}
	defer done()
	home, err := g.Below("home") // who hands controllers down may have no processes: the tenant needs a leaf to live in
	if err != nil {
		return err
	}
	// For root there is an estate to hand over. An ordinary user has been handed one, and it begins above his groups.
	p := plan{Dir: g.Path("pids"), Border: h.Root, Others: 1}
	nowhere := filepath.Dir(h.Root) // where nothing was handed over to him
	text := "nothing: " + h.Root + " was handed over to us, by root or systemd, in this way"
	root := os.Geteuid() == 0
	if root {
		other, err := start(nil, resident)
		if err != nil {
			return err
		}
		defer other.Close()
		p.Border, p.Others = p.Dir, other.Process.Pid
		nowhere = p.Dir // not yet
		text = "hand the group to a user: the directory, and the files that say who is in it; not the limits"
	}
	before, err := live(home, plan{nowhere, p.Border, p.Others})
	if err != nil {
		return err
	}
	n.OldBefore("an ordinary user where nothing was handed over to him", narrate.Data{"what he tried": before.below(h.Version)})

	n.Do(narrate.Call{
		Text:   text,
		Go:     fmt.Sprintf("g.Delegate(%d, %d)", nobody, nobody),
		OldSys: fmt.Sprintf(`chown("…", %d, %d); the same for each file in /sys/kernel/cgroup/delegate`, nobody, nobody),
		Man:    "cgroups(7), \"Cgroups delegation: delegating a hierarchy to a less privileged user\"",
		Hand:   "systemd-run --user --scope -p Delegate=yes sh",
		At:     (*cgroup.Group).Delegate,
	})
	if n.Without {
		p.Dir = filepath.Dir(p.Border) // not handed over
	} else if root {
		if err := g.Delegate(nobody, nobody); err != nil {
			return err
		}
	}
	got, err := live(home, p)
	if err != nil {
		return err
	}
	n.OldEvidence("who owns what in "+p.Border, owners(p.Border, "cgroup.procs", "cgroup.subtree_control", h.Version.Local("pids.max")))
	n.OldEvidence("what he did below it", got.below(h.Version))
	n.OldEvidence("what he tried at its border", fmt.Sprintf("raise pids.max: %s, leave: %s, pull in another's process: %s", word(got.Raised), word(got.Left), word(got.Pulled)))
	n.OldProof("below the group he makes groups, limits them and moves his processes there, without any privilege",
		got.ruled(), got.below(h.Version), before.below(h.Version))
	n.OldProof("his own limit he cannot raise: the group's is not his (EACCES); the control is the limit of a group that he made",
		got.Raised == syscall.EACCES && got.Limited == 0, word(got.Raised), word(got.Limited))
	n.OldProof("he cannot leave, and cannot pull in others (EACCES); the control is his move to a group of his own",
		got.Left == syscall.EACCES && got.Pulled == syscall.EACCES && got.Moved == 0, word(got.Left)+", "+word(got.Pulled), word(got.Moved))
	if err := border(n, h); err != nil {
		return err
	}
	delegateByHand(n, h)
	return nil
}

// border shows what holds root in a container, to whom owners mean nothing: the cgroup namespace.
func border(n *narrate.Narrator, h *cgroup.Hierarchy) error {
	if h.Version == cgroup.V1 {
		n.Note("v1 has only the owners of files: root in a container who can write there changes his own limits. Runtimes mount it read-only, and delegate nothing")
		return nil
	}
	if !h.NSDelegate() {
		n.Skip("the cgroup tree is mounted without nsdelegate, so a cgroup namespace is no border; to run it: mount -o remount,nsdelegate /sys/fs/cgroup, as systemd does at boot", false)
		return nil
	}
	above, done, err := open(n, h, "border", cgroup.Resources{Count: []string{"pids"}})
	if above == nil {
		return err
	}
	defer done()
	g, err := above.Below("owned") // the root of the namespace is where the process is, so there the limit must be
	if err != nil {
		return err
	}
	if err := errors.Join(above.HandDown("pids"), g.Set("pids.max", "50")); err != nil {
		return err
	}
	p, err := child.Command(landlord)
	if err != nil {
		return err
	}
	defer p.Close()
	if os.Geteuid() != 0 {
		// Root over his own namespaces: a cgroup namespace takes CAP_SYS_ADMIN.
		p.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		p.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	if err := bear(g, p); err != nil {
		return err
	}
	n.Do(narrate.Call{
		Text:   "now the owner himself, in a cgroup namespace whose root is the group, raises the group's limit",
		Go:     "unix.Unshare(unix.CLONE_NEWCGROUP)",
		OldSys: fmt.Sprintf(`unshare(CLONE_NEWCGROUP); write("%s", "max")`, g.File("pids.max")),
		Man:    "cgroup_namespaces(7); Documentation/admin-guide/cgroup-v2.rst \"Model of Delegation\"",
		Hand:   "unshare --cgroup sh -c 'echo max > …/pids.max'",
	})
	var said [3]syscall.Errno
	if err := errors.Join(p.Send(g.Path("")), p.Send(!n.Without), p.Receive(&said)); err != nil {
		return err
	}
	show(n, g, "pids.max")
	n.OldEvidence("a group below it, made from inside the namespace", word(said[2]))
	if n.Without {
		return nil
	}
	n.OldProof("inside a cgroup namespace not even the owner raises the limit (EPERM); before he unshared it, he could",
		said[1] == syscall.EPERM, word(said[1]), word(said[0]))
	return nil
}

func delegateByHand(n *narrate.Narrator, h *cgroup.Hierarchy) {
	dir := h.Parents["pids"] + "/" + cgroup.ByHand
	if os.Geteuid() != 0 {
		byHand(n, h, "pids", dir, "rmdir "+dir,
			"echo 5 > "+dir+"/pids.max   # below what was handed to you",
			"echo max > "+h.Root+"/pids.max || true   # its own limit",
			"echo $$ > "+filepath.Dir(h.Root)+"/cgroup.procs || true   # and out of it",
		)
		return
	}
	files := []string{dir}
	for _, f := range map[cgroup.Version][]string{cgroup.V1: {"cgroup.procs", "tasks"}, cgroup.V2: {"cgroup.procs", "cgroup.subtree_control", "cgroup.threads"}}[h.Version] {
		files = append(files, dir+"/"+f)
	}
	byHand(n, h, "pids", dir, "rmdir "+dir+"/mine "+dir,
		"echo 50 > "+dir+"/pids.max",
		fmt.Sprintf("chown %d %s", nobody, strings.Join(files, " ")),
		fmt.Sprintf("setpriv --reuid %d --regid %d --clear-groups sh -c 'mkdir %s/mine; echo max > %s/pids.max' || true   # the first he may, the second not", nobody, nobody, dir, dir),
		"ls -ld "+dir+"/mine; cat "+dir+"/pids.max")
}

// A plan says where the tenant lives and what he is to try.
type plan struct {
	Dir    string // in which he makes a group
	Border string // the group that was handed over
	Others int    // a process of somebody else, outside
}

// deeds are what the kernel said to the tenant: 0 is yes.
type deeds struct {
	Made, Handed, Limited, Moved syscall.Errno // below
	Raised, Left, Pulled         syscall.Errno // at the border
}

func (d deeds) ruled() bool { return d.Made == 0 && d.Handed == 0 && d.Limited == 0 && d.Moved == 0 }

func (d deeds) below(v cgroup.Version) string {
	handed := ""
	if v == cgroup.V2 { // v1 hands nothing down
		handed = "hand pids down: " + word(d.Handed) + ", "
	}
	return fmt.Sprintf("mkdir: %s, %slimit: %s, move: %s", word(d.Made), handed, word(d.Limited), word(d.Moved))
}

// live lets a tenant live in a leaf, as an ordinary user, and returns what he could do.
func live(home *cgroup.Group, does plan) (d deeds, err error) {
	p, err := child.Command(tenant)
	if err != nil {
		return d, err
	}
	defer p.Close()
	if os.Geteuid() == 0 {
		p.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	if err := bear(home, p); err != nil {
		return d, err
	}
	return d, errors.Join(p.Send(does), p.Receive(&d))
}

// tenant makes himself at home, and then tries the door.
var tenant = child.Register("tenant", func(c *child.Conn) error {
	var p plan
	if err := c.Receive(&p); err != nil {
		return err
	}
	mine := filepath.Join(p.Dir, "mine")
	var d deeds
	d.Made = errnoOf(os.Mkdir(mine, 0o755))
	if _, err := os.Stat(p.Dir + "/cgroup.subtree_control"); err == nil { // v1 hands nothing down
		d.Handed = put(p.Dir+"/cgroup.subtree_control", "+pids")
	}
	d.Limited = put(mine+"/pids.max", "5000")
	d.Moved = put(mine+"/cgroup.procs", "0")
	d.Raised = put(p.Border+"/pids.max", "max")
	d.Left = put(filepath.Dir(p.Border)+"/cgroup.procs", "0")
	d.Pulled = put(mine+"/cgroup.procs", fmt.Sprint(p.Others))
	return c.Send(d)
})

// landlord owns his group. He changes its limit, makes a cgroup namespace of it if he is told to, and tries again.
var landlord = child.Register("landlord", func(c *child.Conn) error {
	runtime.LockOSThread() // a namespace is a thread's
	var dir string
	var unshare bool
	if err := errors.Join(c.Receive(&dir), c.Receive(&unshare)); err != nil {
		return err
	}
	said := [3]syscall.Errno{put(dir+"/pids.max", "60")}
	if unshare {
		if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
			return fmt.Errorf("unshare(CLONE_NEWCGROUP): %w", err)
		}
	}
	said[1] = put(dir+"/pids.max", "max")
	said[2] = errnoOf(os.Mkdir(dir+"/below", 0o755))
	return c.Send(said)
})

// put writes to a file of the kernel, and returns what the kernel said; 0 is yes.
func put(path, data string) syscall.Errno {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		defer f.Close()
		_, err = f.WriteString(data)
	}
	return errnoOf(err)
}

func errnoOf(err error) (errno syscall.Errno) {
	if err != nil && !errors.As(err, &errno) {
		errno = syscall.EIO
	}
	return errno
}

func word(errno syscall.Errno) string {
	if errno == 0 {
		return "done"
	}
	return unix.ErrnoName(errno)
}

// owners tells whose files are, by their user's number.
func owners(dir string, files ...string) (list []string) {
	for _, file := range append([]string{"."}, files...) {
		var st unix.Stat_t
		if unix.Stat(filepath.Join(dir, file), &st) == nil {
			list = append(list, fmt.Sprintf("%s: %d", file, st.Uid))
		}
	}
	return list
}
