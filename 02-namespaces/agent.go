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

// An agent is a process, usually in new namespaces, that runs ops for a step. Agents can start
// agents: one can stand in for the host, and its child can be inside.
type agent struct {
	PID     int // as the process that started it sees it
	process *child.Process
	parent  *agent // it forwards our requests, if we did not start the agent
	id      string
}

// agentName is the registered name of agents: see work.
var agentName = child.Register("agent", work)

// An op is one thing that an agent can do. It is defined next to the step that asks for it.
type op func(args []string) (any, error)

var ops = map[string]op{}

// can registers an op of all agents, and returns its name. Call it in a package-level variable:
// agents need it before main.
func can(name string, f op) string {
	ops[name] = f
	return name
}

// canDo registers an op that has neither arguments nor a result.
func canDo(name string, f func() error) string {
	return can(name, func([]string) (any, error) { return nil, f() })
}

// newAgent starts an agent as our child. The kernel kills each agent when its parent exits, so the
// agent and all that it starts exit with us.
func newAgent(s namespace.Spec) (*agent, error) {
	a, err := newAgentIn(nil, s)
	if err != nil {
		return nil, err
	}
	// In many steps it stands in for the host, and nothing may happen to the real one.
	if err := s.New.Took(a.PID); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// newAgentIn starts an agent in a cgroup, unless g is nil.
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
	// Not p.Start: os/exec lets the child share its parent's memory until execve(2). Before Linux 6.3,
	// the kernel doesn't allow that to a child in a new time namespace.
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
		return nil, fmt.Errorf("start a process in new namespaces (%s): %w", s.New, err)
	}
	return &agent{PID: p.Process.Pid, process: p}, nil
}

// agent starts an agent as a child of this one. It inherits all namespaces that s.New doesn't name.
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

// reply holds the result of a request: a value or an error.
type reply struct {
	Value json.RawMessage
	Error *child.Error
}

// ask lets the agent run an op and stores the result in v, which can be nil.
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

// signal sends a signal to an agent that we started ourselves, through its pidfd.
func (a *agent) signal(s os.Signal) error { return a.process.Process.Signal(s) }

// close terminates an agent and the agents that it started.
func (a *agent) close() {
	if a.parent != nil {
		_ = a.parent.ask(nil, end, a.id) // if the parent has exited, so has the agent
		return
	}
	_ = a.process.Close()
}

// work runs the requested ops until the connection is closed.
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

// agents holds the agents that this process started, by PID.
var agents = map[string]*agent{}

// The ops for an agent's own agents. They are registered in init, because they refer to functions
// that use them.
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
