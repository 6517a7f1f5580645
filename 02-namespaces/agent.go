//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	group "containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/child"
)

// An agent is a process in namespaces of its own that does what a step asks it to do. An agent can have agents:
// so one can play the host, and another one, born from it, can be inside.
type agent struct {
	PID     int // as the process that started it sees it
	process *child.Process
	parent  *agent // who passes our questions on, if we did not start it
	id      string
}

// agentName is what agents run as: see work.
var agentName = child.Register("agent", work)

// An op is one thing that an agent can be asked to do. It stands beside the step that asks.
type op func(args []string) (any, error)

var ops = map[string]op{}

// can teaches all agents an op. Call it in a package-level variable, so that it is known before main.
func can(name string, f op) string {
	ops[name] = f
	return name
}

// newAgent starts an agent of this very process. It and all agents born from it end with us: each is killed when
// its parent ends.
func newAgent(s namespace.Spec) (*agent, error) {
	a, err := newAgentIn(nil, s)
	if err != nil {
		return nil, err
	}
	// Many steps let it play the host, and what then happens to the host must not happen to the machine.
	if err := s.New.Took(a.PID); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// newAgentIn starts an agent in a cgroup, if there is one.
func newAgentIn(g *group.Group, s namespace.Spec) (*agent, error) {
	p, err := child.Command(agentName)
	if err != nil {
		return nil, err
	}
	birth := namespace.Birth{Attr: *p.SysProcAttr}
	if g != nil {
		if birth.Tasks, err = g.JoinFiles(); err != nil {
			return nil, err
		}
		birth.Attr.UseCgroupFD, birth.Attr.CgroupFD = g.FD() >= 0, g.FD()
	}
	// Not p.Start: what is started from a new time namespace must not borrow the memory of its parent
	// meanwhile, before Linux 6.3, as os/exec lets it.
	err = p.StartBy(func(path string, argv, env []string, files []*os.File) (int, error) {
		process, err := s.Start(namespace.Program{Path: path, Args: argv, Env: env, Files: files}, birth)
		if err != nil {
			return 0, err
		}
		return process.PID, process.Close()
	})
	for _, f := range birth.Tasks {
		_ = f.Close()
	}
	if err != nil {
		_ = p.Close()
		return nil, fmt.Errorf("start a process in namespaces of its own (%s): %w", s.New, err)
	}
	return &agent{PID: p.Process.Pid, process: p}, nil
}

// agent starts an agent from this one, so that it inherits all namespaces that it does not make.
func (a *agent) agent(s namespace.Spec) (*agent, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var pid int
	if err := a.ask(&pid, start, string(raw)); err != nil {
		return nil, err
	}
	return &agent{PID: pid, parent: a, id: strconv.Itoa(pid)}, nil
}

type request struct {
	Op   string
	Args []string
}

// reply is what came of it.
type reply struct {
	Value json.RawMessage
	Error *child.Error
}

// ask has the agent do something and stores what came out in v, which may be nil.
func (a *agent) ask(v any, name string, args ...string) error {
	if a.parent != nil {
		return a.parent.ask(v, tell, append([]string{a.id, name}, args...)...)
	}
	if err := a.process.Send(request{name, args}); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var r reply
	if err := a.process.Receive(&r); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if r.Error != nil {
		return r.Error
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(r.Value, v)
}

// signal sends a signal to an agent that we started ourselves, by its pidfd.
func (a *agent) signal(s os.Signal) error { return a.process.Process.Signal(s) }

// close ends an agent, and with it those that were born from it.
func (a *agent) close() {
	if a.parent != nil {
		_ = a.parent.ask(nil, end, a.id) // if the parent is gone, so is the child
		return
	}
	_ = a.process.Close()
}

// work is the life of an agent: do what one is asked to do, until nobody asks any more.
func work(c *child.Conn) error {
	for {
		var q request
		if err := c.Next(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var r reply
		v, err := ops[q.Op](q.Args)
		if err == nil {
			r.Value, err = json.Marshal(v)
		}
		r.Error = child.PackError(err)
		if err := c.Send(r); err != nil {
			return err
		}
	}
}

// agents are those that this process has started, by number.
var agents = map[string]*agent{}

// What an agent does for its own agents. They are added here and not above, because they use what uses them.
const start, tell, end = "start an agent", "tell an agent", "end an agent"

func init() {
	can(start, func(args []string) (any, error) {
		var s namespace.Spec
		if err := json.Unmarshal([]byte(args[0]), &s); err != nil {
			return nil, err
		}
		a, err := newAgentIn(nil, s)
		if err != nil {
			return nil, err
		}
		agents[strconv.Itoa(a.PID)] = a
		return a.PID, nil
	})
	can(tell, func(args []string) (any, error) {
		var raw json.RawMessage
		err := agents[args[0]].ask(&raw, args[1], args[2:]...)
		return raw, err
	})
	can(end, func(args []string) (any, error) {
		agents[args[0]].close()
		return nil, nil
	})
}
