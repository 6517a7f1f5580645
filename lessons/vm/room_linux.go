package vm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/child"
)

// Where the processes of a room find what is the host's.
const (
	roomTop   = "/tmp"             // a tmpfs: all that can be written
	roomRoot  = roomTop + "/root"  // its whole tree, read-only
	roomShare = roomTop + "/share" // the one directory that stays writable
)

// A process of an engine, in its room.
type process struct {
	Name  string // for messages
	Argv  []string
	Env   []string   // added to ours
	Files []*os.File // descriptors 3, 4, … there
	Lends bool       // it opens the host's files for the guest
	Alien bool       // it opens by name only what all users can read: it can be engineUser
	Out   *os.File   // takes standard output and standard error; nil: what it writes is told if it fails
	Main  bool       // the machine itself: when it ends well, the room does

	Keeps []capability.Cap // its capabilities, if its user has them; others are dropped
}

// order is what the room's first process is told. Files are numbers of descriptors there; 0 is none.
type order struct {
	Processes []ordered
	Share     string
}

type ordered struct {
	Name      string
	Argv, Env []string
	Files     []int
	NoAtime   bool
	Out       int
	Main      bool
	Limits    limits
}

// A room is where an engine's processes live. They are in a PID namespace, so that all die when its first
// process does; in a network namespace with nothing in it; and in a mount namespace where the host's tree is read-only,
// all the way down. An ordinary user's is in a user namespace as well, which gives him the right to make the others.
type room struct {
	*child.Process
	said bytes.Buffer // what its processes wrote without an Out
	once sync.Once
	err  error
}

// openRoom starts the processes in a room of their own, in which share, if it is not "", stays writable. Its
// processes get the files; the caller closes its own.
func openRoom(processes []process, share string) (*room, error) {
	o := order{Share: share}
	var files []*os.File
	number := func(f *os.File) int {
		if f == nil {
			return 0
		}
		files = append(files, f)
		return 2 + len(files)
	}
	spec := namespace.AsNeeded(namespace.PID | namespace.Mount | namespace.Net | namespace.IPC)
	for _, p := range processes {
		r := ordered{Name: p.Name, Argv: p.Argv, Env: p.Env, Main: p.Main, Out: number(p.Out)}
		r.Limits = limitsOf(p, spec)
		r.NoAtime = p.Lends && !mayKeepAtime()
		for _, f := range p.Files {
			r.Files = append(r.Files, number(f))
		}
		o.Processes = append(o.Processes, r)
	}
	p, err := child.Command(roomChild, files...)
	if err != nil {
		return nil, err
	}
	r := &room{Process: p}
	p.Stdout, p.Stderr = &r.said, &r.said
	spec.Apply(p.Cmd)
	// A session of its own, or the terminal's Ctrl-C would end the machine instead of the command in it.
	p.SysProcAttr.Setsid, p.SysProcAttr.Setpgid = true, false // a session's leader leads its group
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start the VM's processes in namespaces of their own: %w", err)
	}
	if err := p.Send(o); err != nil {
		_ = p.Close()
		return nil, err
	}
	return r, nil
}

// Wait waits until all processes of the room have ended, and tells what went wrong with the first one that did.
func (r *room) Wait() error {
	r.once.Do(func() {
		err := r.Cmd.Wait()
		if told := r.Receive(nil); told != nil && told != io.EOF && err != nil {
			err = told
		}
		_ = r.Conn.Close()
		if said := strings.TrimSpace(r.said.String()); err != nil && said != "" {
			err = fmt.Errorf("%w: %s", err, strings.ReplaceAll(said, "\n", "; "))
		}
		r.err = err
	})
	return r.err
}

// Kill ends all processes of the room at once: the kernel kills a namespace whose first process has ended
// (pid_namespaces(7)).
func (r *room) Kill() { _ = r.Process.Process.Kill() }

// roomChild is the room's first process.
var roomChild = child.Register("vm-room", func(c *child.Conn) error {
	var o order
	if err := c.Receive(&o); err != nil {
		return err
	}
	if err := furnish(o.Share); err != nil {
		return err
	}
	// What we were given is for one process each, and for none of the others: those that end are noticed by the ends
	// of their pipes and sockets being closed.
	files := map[int]*os.File{}
	for _, p := range o.Processes {
		for _, n := range append(p.Files, p.Out) {
			if n != 0 {
				syscall.CloseOnExec(n)
				files[n] = os.NewFile(uintptr(n), p.Name)
			}
		}
	}
	// virtiofsd, and UML, hold a descriptor for each file that the guest knows.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("getrlimit: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(unix.RLIMIT_NOFILE, (*syscall.Rlimit)(&limit)); err != nil {
		return fmt.Errorf("setrlimit: %w", err)
	}
	type end struct {
		ordered
		err error
	}
	ends := make(chan end)
	for _, p := range o.Processes {
		cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
		cmd.Env = append(os.Environ(), p.Env...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if p.Out != 0 {
			cmd.Stdout, cmd.Stderr = files[p.Out], files[p.Out]
		}
		for _, n := range p.Files {
			cmd.ExtraFiles = append(cmd.ExtraFiles, files[n])
		}
		var err error
		if p.NoAtime {
			cmd, err = startWithoutNoAtime(cmd, p.Limits)
		} else {
			err = startConfined(cmd, p.Limits)
		}
		if err != nil {
			return fmt.Errorf("start %s: %w", p.Name, err)
		}
		go func() { ends <- end{p, cmd.Wait()} }()
	}
	for _, f := range files {
		f.Close()
	}
	e := <-ends
	if e.err == nil && e.Main {
		return nil
	}
	if e.err == nil {
		e.err = errors.New("it was not told to")
	}
	return fmt.Errorf("%s has ended: %w", e.Name, e.err)
})
