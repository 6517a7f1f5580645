//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// unlimited names the control of the steps that set a limit.
const unlimited = "without a limit"

// find returns the cgroups of this machine. If the step can't run here, find prints why, and h is
// nil.
func find(n *narrate.Narrator) (h *cgroup.Hierarchy, err error) {
	h, err = cgroup.Find()
	return h, skipped(n, &h, err)
}

// open creates a cgroup for a step. If that is impossible on this machine, open prints why, and g
// is nil. done removes the cgroup; an interrupted program removes it too.
func open(n *narrate.Narrator, h *cgroup.Hierarchy, name string, r cgroup.Resources) (
	g *cgroup.Group, done func(), err error) {
	g, err = h.New(name, r)
	if err := skipped(n, &g, err); err != nil || g == nil {
		return nil, func() {}, err
	}
	cancel := stage.OnInterrupt(func() { _ = g.Remove() })
	return g, func() {
		cancel()
		if err := g.Remove(); err != nil {
			n.Fail(err)
			return
		}
		n.Clean("removed " + g.Name)
	}, nil
}

// skipped turns "not on this machine" into a skip with the reason and the fix.
func skipped[T any](n *narrate.Narrator, v **T, err error) error {
	if err == nil {
		return nil
	}
	*v = nil
	var no *cgroup.Unavailable
	if errors.As(err, &no) {
		n.Skip(no.Reason+"; to run it: "+no.Fix, true)
		return nil
	}
	return err
}

// start starts a registered function in a child, which is created in the cgroup. Without a cgroup
// the child starts in ours.
func start(g *cgroup.Group, name string, extra ...*os.File) (*child.Process, error) {
	p, err := child.Command(name, extra...)
	if err != nil {
		return nil, err
	}
	if g == nil {
		return p, p.Start()
	}
	return p, startIn(g, p)
}

// startIn starts a child in a cgroup: no instruction of the child runs outside.
func startIn(g *cgroup.Group, p *child.Process) error {
	after, err := g.Prepare(p.Cmd)
	if err != nil {
		return err
	}
	defer after()
	if err := p.Start(); err != nil {
		return fmt.Errorf("start a child in %s: %w", g.Name, err)
	}
	return nil
}

// show prints files of the cgroup, for a reader who wants all of it.
func show(n *narrate.Narrator, g *cgroup.Group, files ...string) {
	for _, file := range files {
		if text, err := g.Get(file); err == nil {
			n.Detail(narrate.Show(g.File(file), text))
		}
	}
}

// either returns the text for the version of cgroups.
func either(v cgroup.Version, v1, v2 string) string {
	if v == cgroup.V1 {
		return v1
	}
	return v2
}

// writeCall returns the write to a file of a cgroup, as a step prints it.
func writeCall(v cgroup.Version, file, data string) string {
	return fmt.Sprintf(`write("…/%s", "%s")`, v.Local(file), data)
}

// kernelDocs names what to read in the kernel's documentation: a page about cgroup v1, or a section
// of the one about v2.
func kernelDocs(v cgroup.Version, page, section string) string {
	return either(v, "Documentation/admin-guide/cgroup-v1/"+page,
		fmt.Sprintf("Documentation/admin-guide/cgroup-v2.rst %q", section))
}

// byHand prints commands for a cgroup that a reader creates in dir, and that end removes, however
// the shell exits. On v2 the reader must first enable the controller, if it is not enabled yet, and
// disable it in the end. docker is the command that does the same in Docker.
func byHand(n *narrate.Narrator, h *cgroup.Hierarchy, docker, controller, dir, end string,
	commands ...string) {
	script := []string{"sh -e <<'END'"}
	if h.Version == cgroup.V2 && controller != "" && !h.HandsDown(controller) {
		file := " > " + h.Root + "/cgroup.subtree_control"
		script = append(script, "echo +"+controller+file)
		end += "; echo -" + controller + file
	}
	script = append(script, "mkdir "+dir, "trap '"+end+"' EXIT")
	n.WithDocker(docker, append(append(script, commands...), "END")...)
}

// removeWhenEmpty removes a cgroup by hand, as soon as its processes have exited.
func removeWhenEmpty(dir string) string {
	return "until rmdir " + dir + " 2>/dev/null; do sleep 0.1; done"
}

// lines returns the lines that contain a text.
func lines(text, with string) []string {
	list := []string{}
	for l := range strings.Lines(text) {
		if strings.Contains(l, with) {
			list = append(list, strings.TrimSpace(l))
		}
	}
	return list
}

// count returns a number of things, in words: "1 tick", "2 ticks".
func count[T int | int64 | uint64](n T, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", more)
}

// errnoOf returns the kernel's answer; 0 is yes.
func errnoOf(err error) (errno syscall.Errno) {
	if err != nil && !errors.As(err, &errno) {
		errno = syscall.EIO
	}
	return errno
}

// answer returns the kernel's answer in words.
func answer(errno syscall.Errno) string {
	if errno == 0 {
		return "allowed"
	}
	return unix.ErrnoName(errno)
}

// A resident lives in a cgroup and answers when it is asked: a neighbor for those that misbehave.
var resident = child.Register("resident", func(c *child.Conn) error {
	for {
		if err := c.Next(nil); err != nil {
			return nil // the parent has exited
		}
		own, err := os.ReadFile("/proc/self/cgroup")
		if err != nil {
			return err
		}
		if err := c.Send(string(own)); err != nil {
			return err
		}
	}
})

// ask makes a resident answer with its own /proc/self/cgroup.
func ask(p *child.Process) (string, error) {
	if err := p.Send(true); err != nil {
		return "", err
	}
	var own string
	err := p.Receive(&own)
	return own, err
}
