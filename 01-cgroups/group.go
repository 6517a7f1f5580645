//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// find says which cgroups this machine has. If a step cannot run, it has said why, and h is nil.
func find(n *narrate.Narrator) (h *cgroup.Hierarchy, err error) {
	h, err = cgroup.Find()
	return h, skipped(n, &h, err)
}

// open makes a group for a step. If it cannot be had here, the step has said why, and g is nil. done removes it; an
// interrupted program removes it too.
func open(n *narrate.Narrator, h *cgroup.Hierarchy, name string, r cgroup.Resources) (g *cgroup.Group, done func(), err error) {
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

// start starts a registered function in a child that is born in the group. Without a group it is born where we are.
func start(g *cgroup.Group, name string, extra ...*os.File) (*child.Process, error) {
	p, err := child.Command(name, extra...)
	if err != nil {
		return nil, err
	}
	if g == nil {
		return p, p.Start()
	}
	return p, bear(g, p)
}

// bear starts a child in a group, in which it is born.
func bear(g *cgroup.Group, p *child.Process) error {
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

// show reads a file of the group as evidence.
func show(n *narrate.Narrator, g *cgroup.Group, files ...string) {
	for _, file := range files {
		if text, err := g.Get(file); err == nil {
			n.OldEvidence(g.File(file), text)
		}
	}
}

// A resident lives in a group and answers when it is spoken to: a neighbour for those that misbehave.
var resident = child.Register("resident", func(c *child.Conn) error {
	for {
		if err := c.Next(nil); err != nil {
			return nil // the parent has gone, so may we
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
