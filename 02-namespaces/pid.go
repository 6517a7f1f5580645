//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

var (
	whoAmI = can("who am i", func([]string) (any, error) { return os.Getpid(), nil })
	parent = can("parent", func([]string) (any, error) { return os.Getppid(), nil })
	// The number in the /proc that is mounted here, which need not be the one that getpid tells.
	procSelf = can("readlink /proc/self", func([]string) (any, error) { return os.Readlink("/proc/self") })
	ps       = can("ps", func([]string) (any, error) { return procfs.Processes() })
	newProc  = can("mount /proc", func([]string) (any, error) {
		if err := namespace.MakePrivate(); err != nil {
			return nil, err
		}
		return nil, namespace.MountProc("/proc")
	})
	dropTerm = can("drop SIGTERM", func([]string) (any, error) { return nil, namespace.DropHandler(unix.SIGTERM) })
	// kill its own parent, politely and not
	kill = can("kill", func(a []string) (any, error) {
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
	// A child that outlives its parent: no death signal, and a conversation that nobody goes on with.
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
		time.Sleep(10 * time.Second) // longer than the step; in a PID namespace it ends with number 1 anyway
		return nil
	})
)

func pid(n *narrate.Narrator) error {
	n.Question("What is my process number, and who says so?")
	before, err := procfs.Processes()
	if err != nil {
		return err
	}
	ours, err := procfs.NSpid(0)
	if err != nil {
		return err
	}
	n.OldBefore("this process has one number, and sees all others", narrate.Data{"NSpid": ours, "processes": len(before)})

	set := namespace.PID | namespace.Mount
	if n.Without {
		set = namespace.Mount
	}
	n.Do(narrate.Call{Text: "start a process in a PID namespace of its own",
		Go: "namespace.Spec{New: namespace.PID | namespace.Mount}.Apply(cmd)", OldSys: "clone(CLONE_NEWPID|CLONE_NEWNS)",
		Man: "pid_namespaces(7)", Hand: "unshare --pid --fork --mount-proc sh", At: namespace.Spec.Apply})
	one, err := newAgent(asNeeded(n, set))
	if err != nil {
		return err
	}
	defer one.close()
	if err := differ(n, "pid", os.Getpid(), one.PID); err != nil {
		return err
	}
	numbers, err := procfs.NSpid(one.PID)
	if err != nil {
		return err
	}
	var inside int
	if err := one.ask(&inside, whoAmI); err != nil {
		return err
	}
	n.OldEvidence(fmt.Sprintf("NSpid in /proc/%d/status", one.PID), numbers)
	n.OldEvidence("getpid() inside", inside)
	n.OldProof("one process has two numbers: the host's, and 1", len(numbers) == len(ours)+1 && inside == 1,
		fmt.Sprint(numbers), fmt.Sprint(ours))

	for _, part := range []func(*narrate.Narrator, *agent) error{procLies, orphanFound, unkillable} {
		if err := part(n, one); err != nil {
			return err
		}
	}
	n.ByHand(
		"unshare --user --map-root-user --pid --fork sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l'",
		"unshare --user --map-root-user --pid --fork --mount-proc sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l'",
		"unshare --user --map-root-user --pid --fork --mount-proc sh -c '(kill -TERM 1; kill -KILL 1); echo number 1 is still here'",
	)
	n.Clean("number 1 is dead, and took its namespace with it")
	return nil
}

// procLies shows that a PID namespace alone hides nothing from ps.
func procLies(n *narrate.Narrator, one *agent) error {
	n.Note("a new PID namespace does not hide anything from ps yet: /proc still shows the namespace that it was mounted in")
	var all, few []int
	var self string
	if err := one.ask(&all, ps); err != nil {
		return err
	}
	if err := one.ask(&self, procSelf); err != nil {
		return err
	}
	n.OldEvidence("processes that ps sees inside, with the host's /proc", len(all))
	n.OldEvidence("/proc/self inside, with the host's /proc", self)
	n.Do(narrate.Call{Text: "mount /proc again, from inside, after cutting the ties of our mounts to the host's",
		Go: `namespace.MakePrivate(); namespace.MountProc("/proc")`, OldSys: `mount("", "/", MS_REC|MS_PRIVATE), mount("proc", "/proc", "proc")`,
		Man: "proc(5), mount_namespaces(7)", Hand: "mount --make-rprivate / && mount -t proc proc /proc", At: namespace.MountProc})
	// Only the owner of a PID namespace may mount its /proc: without one, an ordinary user is refused.
	if err := one.ask(nil, newProc); err != nil && !n.Without {
		return err
	}
	if err := one.ask(&few, ps); err != nil {
		return err
	}
	n.OldProof("now ps sees the processes of the namespace and no others", len(few) == 1 && few[0] == 1,
		fmt.Sprintf("%d process", len(few)), fmt.Sprintf("%d processes", len(all)))
	return nil
}

// orphanFound shows that number 1 adopts who loses its parent.
func orphanFound(n *narrate.Narrator, one *agent) error {
	middle, err := one.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	var number int
	if err := middle.ask(&number, haveChild); err != nil {
		return err
	}
	// Its numbers, seen from here.
	left, held, err := hold(one.PID, number)
	if err != nil {
		return err
	}
	defer held.Close()
	defer func() { _ = held.Signal(unix.SIGKILL) }() // for -without: nobody else would end it
	first, err := procfs.Status(left, "PPid")
	if err != nil {
		return err
	}
	n.Do(narrate.Call{Text: "end the parent of a process inside", Go: "cmd.Process.Kill()", OldSys: "kill(parent, SIGKILL)",
		Man: "pid_namespaces(7)", Hand: "(sleep 60 &)"})
	middle.close()
	second, err := procfs.Status(left, "PPid")
	if err != nil {
		return err
	}
	n.OldEvidence(fmt.Sprintf("PPid in /proc/%d/status before and after", left), first+" → "+second)
	n.OldProof("an orphan gets the namespace's number 1 as its parent", second == strconv.Itoa(one.PID),
		"its parent is "+second, "its parent was "+first)
	return nil
}

// hold finds the process that has a number in the PID namespace of the process init, and holds it. It is
// not our child, so our number for it may be another process's at any moment.
func hold(init, number int) (pid int, held *procfs.Process, err error) {
	if pid, err = procfs.Find(init, number); err != nil {
		return 0, nil, err
	}
	if held, err = procfs.Open(pid); err != nil {
		return 0, nil, err
	}
	// If it is still there under that number, it is the one that we hold.
	if again, err := procfs.Find(init, number); err != nil || again != pid {
		return 0, nil, errors.Join(fmt.Errorf("process %d exited", pid), err, held.Close())
	}
	return pid, held, nil
}

// unkillable shows what signals do to number 1, from inside and from outside.
func unkillable(n *narrate.Narrator, one *agent) error {
	// The control: two ordinary processes, one without a handler for SIGTERM.
	victim, err := newAgent(namespace.Spec{})
	if err != nil {
		return err
	}
	defer victim.close()
	if err := victim.ask(nil, dropTerm); err != nil {
		return err
	}
	if err := victim.signal(unix.SIGTERM); err != nil {
		return err
	}
	control := victim.fate(2 * time.Second)

	if err := one.ask(nil, dropTerm); err != nil {
		return err
	}
	handles, err := procfs.Handles(one.PID, unix.SIGTERM)
	if err != nil {
		return err
	}
	n.OldEvidence(fmt.Sprintf("SIGTERM is in SigCgt of /proc/%d/status, the signals with a handler", one.PID), handles)
	n.Do(narrate.Call{Text: "from inside, a child of number 1 sends it SIGTERM and SIGKILL",
		Go: "unix.Kill(1, unix.SIGTERM)", OldSys: "kill(1, SIGTERM), kill(1, SIGKILL)", Man: "pid_namespaces(7), kill(2)",
		Hand: "kill -KILL 1", At: namespace.DropHandler})
	sender, err := one.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	var target int
	if err := sender.ask(&target, parent); err != nil {
		return err
	}
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := sender.ask(nil, kill, strconv.Itoa(target), strconv.Itoa(int(s))); err != nil && !n.Without {
			return err
		}
	}
	inside := one.fate(200 * time.Millisecond)
	n.OldProof("number 1 ignores from inside what it has no handler for, even SIGKILL", !handles && inside == alive, inside, control)

	// From outside: SIGTERM is ignored as well, SIGKILL is not.
	if err := one.signal(unix.SIGTERM); err != nil && !n.Without {
		return err
	}
	n.OldEvidence("after SIGTERM from outside", one.fate(200*time.Millisecond))
	if err := one.signal(unix.SIGKILL); err != nil && !n.Without {
		return err
	}
	outside := one.fate(2 * time.Second)
	n.OldProof("from outside, SIGKILL ends it, and with it all processes in its namespace", outside == "ended by signal: killed", outside, inside)
	return nil
}

const alive = "alive"

// fate tells whether an agent that we started ends within the time, and how.
func (a *agent) fate(within time.Duration) string {
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		if a.process.ProcessState == nil {
			var info unix.Siginfo
			// WNOWAIT: only look. A process that has ended is one for Wait.
			if err := unix.Waitid(unix.P_PID, a.PID, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err == nil && info.Signo != 0 {
				_ = a.process.Wait() // how it ended is in ProcessState
			}
		}
		if a.process.ProcessState != nil {
			return "ended by " + a.process.ProcessState.String()
		}
		if time.Now().After(end) {
			return alive
		}
	}
}
