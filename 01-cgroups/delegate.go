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

// nobody is the UID that root delegates a cgroup to. An ordinary user delegates nothing:
// the cgroup is theirs already.
const nobody = 65534

func delegate(n *narrate.Narrator) error {
	n.Question("How can rootless Docker limit containers, if only root can write to cgroups?")
	n.Idea("Root can give a user the directory of a cgroup, and the files that say which processes " +
		"are in it. The files with its limits stay root's.")
	h, err := find(n)
	if h == nil {
		return err
	}
	g, done, err := open(n, h, "delegate", cgroup.Resources{Pids: 50})
	if g == nil {
		return err
	}
	defer done()
	home, err := g.Below("home") // the user needs a leaf to live in: no internal processes
	if err != nil {
		return err
	}
	// Root delegates a cgroup in this step. To an ordinary user one is delegated already, above the
	// step's own.
	p := plan{Dir: g.Path("pids"), Border: h.Root, Others: 1}
	nowhere := filepath.Dir(h.Root) // where nothing is delegated
	root := os.Geteuid() == 0
	if root {
		other, err := start(nil, resident)
		if err != nil {
			return err
		}
		defer other.Close()
		p.Border, p.Others = p.Dir, other.Process.Pid
		nowhere = p.Dir // not yet
	}
	before, err := live(home, plan{nowhere, p.Border, p.Others})
	if err != nil {
		return err
	}
	n.Control("Without delegation: a user tries to create a cgroup",
		narrate.Show("mkdir(2)", answer(before.Made)))

	n.Do(delegation(h.Version, root))
	if n.Without {
		p.Dir = filepath.Dir(p.Border) // not delegated
	} else if root {
		if err := g.Delegate(nobody, nobody); err != nil {
			return err
		}
	}
	got, err := live(home, p)
	if err != nil {
		return err
	}
	n.Detail(narrate.Show("cgroup", p.Border))
	n.Detail(owners(p.Border, "cgroup.procs", "cgroup.subtree_control", "pids.max")...)
	delegateClaims(n, h.Version, got, before)
	if err := border(n, h); err != nil {
		return err
	}
	n.Why("Rootless Docker and Podman limit containers like this: systemd delegates a cgroup to " +
		"each user.")
	delegateByHand(n, h)
	return nil
}

// delegation describes how the user gets the cgroup. Only root has to do something for it.
func delegation(v cgroup.Version, root bool) narrate.Call {
	call := narrate.Call{
		Text: "Use the cgroup that is delegated to you already",
		Man:  "cgroups(7), chown(2)",
		Hand: "systemd-run --user --scope -p Delegate=yes sh", At: (*cgroup.Group).Delegate,
		Without: "Try the same where nothing is delegated",
	}
	if root {
		call.Text = fmt.Sprintf("Delegate a cgroup to UID %d", nobody)
		call.Sys = [][2]string{{fmt.Sprintf(`fchownat("…", %d, %d)`, nobody, nobody), either(v,
			"the directory, cgroup.procs and tasks", "and the files in /sys/kernel/cgroup/delegate")}}
		call.Go = fmt.Sprintf("g.Delegate(%d, %d)", nobody, nobody)
	}
	return call
}

func delegateClaims(n *narrate.Narrator, v cgroup.Version, got, before deeds) {
	var rows []narrate.Row
	row := func(label string, now, then syscall.Errno) {
		rows = append(rows, narrate.Compare(label, answer(now), "without delegation", answer(then)))
	}
	row("mkdir(2)", got.Made, before.Made)
	if v == cgroup.V2 { // v1 has no controllers to enable
		row("subtree_control", got.Enabled, before.Enabled)
	}
	row("pids.max", got.Limited, before.Limited)
	row("cgroup.procs", got.Moved, before.Moved)
	n.Proof("The user controls the cgroups below the delegated one", got.ruled(), rows...)
	n.Proof("The user can't raise the limit of the delegated cgroup",
		got.Raised == syscall.EACCES && got.Limited == 0,
		narrate.Compare("…/pids.max", answer(got.Raised), "cgroup below", answer(got.Limited)))
	n.Proof("The user can't move processes across the border of the cgroup",
		got.Left == syscall.EACCES && got.Pulled == syscall.EACCES && got.Moved == 0,
		narrate.Compare("move out", answer(got.Left), "cgroup below", answer(got.Moved)),
		narrate.Compare("move in", answer(got.Pulled), "cgroup below", answer(got.Moved)))
}

// border shows what limits root in a container, which owns all files: the cgroup namespace.
func border(n *narrate.Narrator, h *cgroup.Hierarchy) error {
	if h.Version == cgroup.V1 {
		n.Note("On cgroup v1, owners are the only border: root in a container has none.")
		return nil
	}
	if !h.NSDelegate() {
		n.Skip("the cgroup hierarchy is mounted without nsdelegate, so a cgroup namespace is no "+
			"border; to run it: mount -o remount,nsdelegate /sys/fs/cgroup, as systemd does at boot", false)
		return nil
	}
	above, done, err := open(n, h, "border", cgroup.Resources{Count: []string{"pids"}})
	if above == nil {
		return err
	}
	defer done()
	// The root of the namespace is where the process is, so the limit must be there.
	g, err := above.Below("owned")
	if err != nil {
		return err
	}
	if err := errors.Join(above.HandDown("pids"), g.Set("pids.max", "50")); err != nil {
		return err
	}
	p, err := startOwner(g)
	if err != nil {
		return err
	}
	defer p.Close()
	n.Do(narrate.Call{
		Text:    "Raise the limit as the owner of the file, in a cgroup namespace",
		Sys:     [][2]string{{"unshare(CLONE_NEWCGROUP)", "the cgroup is the namespace's root"}},
		Go:      "unix.Unshare(unix.CLONE_NEWCGROUP)",
		Man:     "cgroup_namespaces(7), " + kernelDocs(h.Version, "", "Model of Delegation"),
		Hand:    "unshare --cgroup sh -c 'echo max > …/pids.max'",
		Without: "Raise the limit as the owner of the file",
	})
	var said [3]syscall.Errno
	if err := errors.Join(p.Send(g.Path("")), p.Send(!n.Without), p.Receive(&said)); err != nil {
		return err
	}
	show(n, g, "pids.max")
	n.Proof("In a cgroup namespace, not even the owner can raise the limit", said[1] == syscall.EPERM,
		narrate.Compare("…/pids.max", answer(said[1]), "before", answer(said[0])),
		narrate.Show("mkdir(2) below", answer(said[2])))
	return nil
}

// startOwner starts a process that owns its cgroup.
func startOwner(g *cgroup.Group) (*child.Process, error) {
	p, err := child.Command(landlord)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		// Root in its own user namespace: a cgroup namespace needs CAP_SYS_ADMIN.
		p.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		p.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	if err := startIn(g, p); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func delegateByHand(n *narrate.Narrator, h *cgroup.Hierarchy) {
	const docker = "dockerd-rootless.sh"
	dir := h.Parents["pids"] + "/" + cgroup.ByHand
	if os.Geteuid() != 0 {
		byHand(n, h, docker, "pids", dir, "rmdir "+dir,
			"echo 5 > "+dir+"/pids.max   # below the delegated cgroup",
			"echo max > "+h.Root+"/pids.max || true   # its own limit",
			"echo $$ > "+filepath.Dir(h.Root)+"/cgroup.procs || true   # out of it",
		)
		return
	}
	files := []string{dir}
	for _, f := range strings.Fields(either(h.Version, "cgroup.procs tasks",
		"cgroup.procs cgroup.subtree_control cgroup.threads")) {
		files = append(files, dir+"/"+f)
	}
	byHand(n, h, docker, "pids", dir, "rmdir "+dir+"/mine "+dir,
		"echo 50 > "+dir+"/pids.max",
		fmt.Sprintf("chown %d %s", nobody, strings.Join(files, " ")),
		fmt.Sprintf("setpriv --reuid %d --regid %d --clear-groups sh -c "+
			"'mkdir %s/mine; echo max > %s/pids.max' || true   # mkdir succeeds, the write fails",
			nobody, nobody, dir, dir),
		"ls -ld "+dir+"/mine; cat "+dir+"/pids.max")
}

// A plan is what the user tries, and where.
type plan struct {
	Dir    string // in which the user creates a cgroup
	Border string // the delegated cgroup
	Others int    // the PID of a process outside
}

// deeds are the kernel's answers to the user: 0 is yes.
type deeds struct {
	Made, Enabled, Limited, Moved syscall.Errno // below
	Raised, Left, Pulled          syscall.Errno // at the border
}

// ruled reports whether the user could do everything below the delegated cgroup.
func (d deeds) ruled() bool {
	return d.Made == 0 && d.Enabled == 0 && d.Limited == 0 && d.Moved == 0
}

// live runs a tenant in a leaf, as an ordinary user, and returns what the tenant could do.
func live(home *cgroup.Group, does plan) (d deeds, err error) {
	p, err := child.Command(tenant)
	if err != nil {
		return d, err
	}
	defer p.Close()
	if os.Geteuid() == 0 {
		p.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	if err := startIn(home, p); err != nil {
		return d, err
	}
	return d, errors.Join(p.Send(does), p.Receive(&d))
}

// tenant creates a cgroup, moves there, and then tries to cross the border.
var tenant = child.Register("tenant", func(c *child.Conn) error {
	var p plan
	if err := c.Receive(&p); err != nil {
		return err
	}
	mine := filepath.Join(p.Dir, "mine")
	var d deeds
	d.Made = errnoOf(os.Mkdir(mine, 0o755))
	if _, err := os.Stat(p.Dir + "/cgroup.subtree_control"); err == nil { // v1 has none
		d.Enabled = put(p.Dir+"/cgroup.subtree_control", "+pids")
	}
	d.Limited = put(mine+"/pids.max", "5000")
	d.Moved = put(mine+"/cgroup.procs", "0")
	d.Raised = put(p.Border+"/pids.max", "max")
	d.Left = put(filepath.Dir(p.Border)+"/cgroup.procs", "0")
	d.Pulled = put(mine+"/cgroup.procs", fmt.Sprint(p.Others))
	return c.Send(d)
})

// landlord owns its cgroup. It changes the limit, unshares its cgroup namespace if it receives
// true, and tries again.
var landlord = child.Register("landlord", func(c *child.Conn) error {
	runtime.LockOSThread() // unshare(2) is about one thread
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

// put writes to a file of the kernel, and returns the answer.
func put(path, data string) syscall.Errno {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		defer f.Close()
		_, err = f.WriteString(data)
	}
	return errnoOf(err)
}

// owners returns the UIDs that own files.
func owners(dir string, files ...string) (rows []narrate.Row) {
	for _, file := range append([]string{"."}, files...) {
		var st unix.Stat_t
		if unix.Stat(filepath.Join(dir, file), &st) == nil {
			rows = append(rows, narrate.Show(file, st.Uid, "UID of the owner"))
		}
	}
	return rows
}
