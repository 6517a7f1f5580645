//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

var (
	parent   = can("getppid", func([]string) (any, error) { return os.Getppid(), nil })
	dropTerm = canDo("drop SIGTERM", func() error { return namespace.DropHandler(unix.SIGTERM) })
	kill     = can("kill", func(a []string) (any, error) {
		pid, err := strconv.Atoi(a[0])
		if err != nil {
			return nil, err
		}
		s, err := strconv.Atoi(a[1])
		if err != nil {
			return nil, err
		}
		return nil, unix.Kill(pid, unix.Signal(s))
	})
	// A child that outlives its parent: it gets no signal when the parent exits.
	haveChild = can("have a child", func([]string) (any, error) {
		p, err := child.Command(orphan)
		if err != nil {
			return nil, err
		}
		p.SysProcAttr.Pdeathsig = 0
		if err := p.Start(); err != nil {
			return nil, err
		}
		return p.Process.Pid, nil
	})
	orphan = child.Register("orphan", func(*child.Conn) error {
		time.Sleep(10 * time.Second) // longer than the step; in a PID namespace it exits with PID 1
		return nil
	})
)

func pid1(n *narrate.Narrator) error {
	n.Question("Why does docker stop take ten seconds?")
	n.Idea("The kernel drops signals that PID 1 has no handler for, except SIGKILL and SIGSTOP from " +
		"outside. Every orphan is reparented to PID 1 of its PID namespace.")
	ordinary, err := afterTerm()
	if err != nil {
		return err
	}
	n.Control("An ordinary process without a handler for SIGTERM",
		narrate.Show("after SIGTERM", ordinary))

	spec := namespace.AsNeeded(namespace.PID)
	n.Do(narrate.Call{
		Text: "Start PID 1 of a new PID namespace, and kill the parent of a process inside",
		Sys: userFirst(spec, namespace.PID, [2]string{"clone(CLONE_NEWPID)", "PID 1"},
			[2]string{"kill(parent, SIGKILL)", "its child is an orphan now"}),
		Go:  "namespace.Spec{New: namespace.PID}.Apply(cmd)",
		Man: "pid_namespaces(7)", Hand: "unshare --pid --fork sh -c '(sleep 60 &)'",
		At: namespace.Spec.Apply, Without: "Kill the parent of a process, without a new PID namespace",
	})
	if n.Without {
		spec = namespace.Spec{}
	}
	one, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer one.close()
	left, err := adopt(n, one)
	if err != nil {
		return err
	}
	defer left.Close()
	defer func() { _ = left.Signal(unix.SIGKILL) }() // with -without, it outlives the step otherwise
	if err := signals(n, one, left, ordinary); err != nil {
		return err
	}
	n.Why("docker stop sends SIGTERM, and SIGKILL ten seconds later: an app that is PID 1 needs a " +
		"handler, or docker run --init.")
	n.WithDocker("docker stop NAME",
		"unshare --user --map-root-user --pid --fork --mount-proc sh -c '(kill -TERM 1; kill -KILL 1); echo PID 1 is still here'",
	)
	return nil
}

// afterTerm returns what SIGTERM does to a process without a handler for it.
func afterTerm() (string, error) {
	a, err := newAgent(namespace.Spec{})
	if err != nil {
		return "", err
	}
	defer a.close()
	if err := a.ask(nil, dropTerm); err != nil {
		return "", err
	}
	if err := a.signal(unix.SIGTERM); err != nil {
		return "", err
	}
	return a.fate(patience), nil
}

// adopt proves that PID 1 becomes the parent of an orphan, and returns the orphan.
func adopt(n *narrate.Narrator, one *agent) (left *procfs.Process, err error) {
	middle, err := one.agent(namespace.Spec{})
	if err != nil {
		return nil, err
	}
	var inside int
	if err := middle.ask(&inside, haveChild); err != nil {
		return nil, err
	}
	pid, left, err := hold(one.PID, inside)
	if err != nil {
		return nil, err
	}
	_, before, err := parentOf(pid)
	if err == nil {
		middle.close()
		var adopter int
		var after string
		if adopter, after, err = parentOf(pid); err == nil {
			n.Proof("An orphan is reparented to PID 1 of its PID namespace", adopter == one.PID,
				narrate.Compare("PPid of the orphan", after, "before", before))
			return left, nil
		}
	}
	return nil, errors.Join(err, left.Signal(unix.SIGKILL), left.Close())
}

// parentOf returns the PID of a process's parent, and the PID that the parent has in its own PID
// namespace, in words.
func parentOf(pid int) (outside int, inside string, err error) {
	ppid, err := procfs.Status(pid, "PPid")
	if err != nil {
		return 0, "", err
	}
	if outside, err = strconv.Atoi(ppid); err != nil {
		return 0, "", fmt.Errorf("PPid of process %d: %w", pid, err)
	}
	pids, err := procfs.NSpid(outside)
	if err != nil {
		return 0, "", err
	}
	ours, err := procfs.NSpid(0)
	if err != nil {
		return 0, "", err
	}
	inside = strconv.Itoa(pids[len(pids)-1])
	if len(pids) <= len(ours) {
		inside += " on the host"
	}
	return outside, inside, nil
}

// hold finds the process with a PID in the PID namespace of the process init, and holds it. It is
// not our child, so its PID on the host could become another process's at any moment.
func hold(init, inside int) (pid int, held *procfs.Process, err error) {
	if pid, err = procfs.Find(init, inside); err != nil {
		return 0, nil, err
	}
	if held, err = procfs.Open(pid); err != nil {
		return 0, nil, err
	}
	// If it still has that PID, it is the one that we hold.
	if again, err := procfs.Find(init, inside); err != nil || again != pid {
		return 0, nil, errors.Join(fmt.Errorf("process %d exited", pid), err, held.Close())
	}
	return pid, held, nil
}

// signals proves what signals do to PID 1, from inside and from the host. ordinary is what SIGTERM
// does to an ordinary process, and left is a process inside.
func signals(n *narrate.Narrator, one *agent, left *procfs.Process, ordinary string) error {
	if err := one.ask(nil, dropTerm); err != nil {
		return err
	}
	handles, err := procfs.Handles(one.PID, unix.SIGTERM)
	if err != nil {
		return err
	}
	n.Do(narrate.Call{
		Text: "Send signals to PID 1: from a child inside, then from the host",
		Sys: [][2]string{{"kill(1, SIGTERM), kill(1, SIGKILL)", "from inside"},
			{"pidfd_send_signal(pidfd, …)", "both, from the host"}},
		Go: "unix.Kill(1, unix.SIGTERM)", Man: "pid_namespaces(7), kill(2)", Hand: "kill -KILL 1",
		At: namespace.DropHandler, Without: "Send the same signals to an ordinary process",
	})
	if err := fromInside(one); err != nil {
		return err
	}
	inside := one.survival()
	n.Proof("PID 1 ignores signals from inside that it has no handler for",
		!handles && inside == running,
		narrate.Compare("PID 1", inside, "not PID 1", ordinary),
		narrate.Show("handler of SIGTERM", handler(handles), "SigCgt in /proc/PID/status"))
	if err := one.signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	term := one.survival()
	n.Proof("PID 1 ignores SIGTERM from the host, too", !handles && term == running,
		narrate.Compare("PID 1", term, "not PID 1", ordinary))

	before := fateOf(left, 0)
	if err := one.signal(unix.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	within := patience
	if n.Without { // nothing terminates the orphan
		within = moment
	}
	killed, orphan := one.fate(patience), fateOf(left, within)
	n.Proof("SIGKILL from the host terminates the whole PID namespace",
		killed == "terminated by SIGKILL" && orphan == exited,
		narrate.Compare("PID 1", killed, "before", term),
		narrate.Compare("the orphan", orphan, "before", before))
	return nil
}

// fromInside lets a child of an agent send its parent SIGTERM and SIGKILL. It is no error that the
// parent exits, and takes the child with it.
func fromInside(one *agent) error {
	sender, err := one.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	var target int
	if err := sender.ask(&target, parent); err != nil {
		return err
	}
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		err := sender.ask(nil, kill, strconv.Itoa(target), strconv.Itoa(int(s)))
		if err != nil && one.fate(patience) == running {
			return err
		}
	}
	return nil
}

func handler(installed bool) string {
	if installed {
		return "installed"
	}
	return "none"
}

const (
	running = "running"
	exited  = "exited"
)

// How long we wait for a process to exit: patience if it must, and a moment if it must not.
const (
	patience = 30 * time.Second
	moment   = 200 * time.Millisecond
)

// survival returns running if an agent still answers after a signal, or else how it exited.
func (a *agent) survival() string {
	if err := a.ask(nil, getpid); err != nil {
		return a.fate(patience)
	}
	return a.fate(moment)
}

// fate returns how an agent that we started exits within the time, or running.
func (a *agent) fate(within time.Duration) string {
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		if a.process.ProcessState == nil {
			var info unix.Siginfo
			// WNOWAIT leaves the zombie for Wait.
			err := unix.Waitid(unix.P_PID, a.PID, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
			if err == nil && info.Signo != 0 {
				_ = a.process.Wait() // how it exited is in ProcessState
			}
		}
		if state := a.process.ProcessState; state != nil {
			if ws := state.Sys().(syscall.WaitStatus); ws.Signaled() {
				return "terminated by " + unix.SignalName(ws.Signal())
			}
			return fmt.Sprintf("exited with %d", state.ExitCode())
		}
		if time.Now().After(end) {
			return running
		}
	}
}

// fateOf returns whether a process that is not our child exits within the time. A pidfd is readable
// from then on. (pidfd_open(2))
func fateOf(p *procfs.Process, within time.Duration) string {
	fds := []unix.PollFd{{Fd: int32(p.PidFD()), Events: unix.POLLIN}}
	for end := time.Now().Add(within); ; {
		ready, err := unix.Poll(fds, int(max(0, time.Until(end)).Milliseconds()))
		if ready > 0 {
			return exited
		}
		if err != unix.EINTR || time.Now().After(end) {
			return running
		}
	}
}
