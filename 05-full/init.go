//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"containerkit/02-namespaces/initproc"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/05-full/container"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// orphans leaves three exited children whose parents exited first, and stays longer than any reader.
const orphans = "for i in 1 2 3; do (sleep 0.1 &); done; exec sleep 3600"

func initProcess(n *narrate.Narrator) error {
	n.Question("Why not run your command as PID 1?")
	n.Idea("PID 1 is special in two ways. The kernel drops any signal it has no handler for " +
		"(except SIGKILL and SIGSTOP from outside the container), and every orphaned process " +
		"is reparented to it.")
	without, err := withoutInit()
	if err != nil {
		return err
	}
	n.Control("Without an init: sleep is PID 1, and three orphans have exited",
		narrate.Show("zombies", without.zombies), narrate.Show("sleep after SIGTERM", without.sleep))
	n.Do(narrate.Call{
		Text: "With an init: our program is PID 1 and starts sleep",
		Sys: [][2]string{{"wait4(-1, …)", "reaps every child, orphans too"},
			{"pidfd_send_signal(command, …)", "forwards signals to the command"}},
		Go: "initproc.RunSession(argv, env, files, birth)", Man: "pid_namespaces(7), wait(2)",
		Hand: "docker run --init …", At: initproc.RunSession,
		Without: "Without an init again: sleep is PID 1",
	})
	with := without
	if !n.Without {
		if with, err = withInit(n); err != nil {
			return err
		}
	}
	n.Proof("PID 1 reaps orphans", with.zombies == 0,
		narrate.Compare("zombies", with.zombies, "without an init", without.zombies))
	rows := []narrate.Row{
		narrate.Compare("sleep after SIGTERM", with.sleep, "without an init", without.sleep),
	}
	if !n.Without {
		rows = append(rows, narrate.Show("exit status", with.status, "128 + 15 (SIGTERM)"))
	}
	n.Proof("PID 1 forwards SIGTERM to the command",
		with.sleep == present(false) && with.status == 128+int(syscall.SIGTERM), rows...)
	n.Why("docker stop waits ten seconds if PID 1 ignores SIGTERM; docker run --init adds an init.")
	// Without --fork the shell stays outside, and its first child is PID 1: $! is its PID here.
	n.WithDocker("docker run --init …",
		"unshare --user --map-root-user --pid sh -e <<'END'",
		"sleep 5 & kill -TERM $!",
		"sleep 0.2; kill -0 $! && echo 'PID 1 ignored SIGTERM'",
		"kill -KILL $!",
		"END",
	)
	n.Clean("The container and the control process have exited.")
	return nil
}

// A fate is what became of the orphans and of the command.
type fate struct {
	zombies, status int
	sleep           string
}

// withoutInit runs sleep as PID 1, and sends SIGTERM to it.
func withoutInit() (f fate, err error) {
	alone, end, err := asPID1(orphans)
	if err != nil {
		return f, err
	}
	defer end()
	f.zombies = waitZombies(alone.PID)
	if err := alone.Signal(syscall.SIGTERM); err != nil {
		return f, err
	}
	time.Sleep(200 * time.Millisecond)
	f.sleep = present(alive(alone))
	return f, nil
}

// withInit runs sleep in a container, as a child of PID 1, and sends SIGTERM to PID 1.
func withInit(n *narrate.Narrator) (f fate, err error) {
	c := options.Config
	c.Args, c.Stderr = []string{"/bin/sh", "-c", orphans}, os.Stderr
	ct, err := container.Start(withLimits(c))
	if err != nil {
		return f, err
	}
	defer stage.OnInterrupt(func() { _ = ct.Close() })()
	defer ct.Close()
	command, err := commandOf(ct)
	if err != nil {
		return f, err
	}
	defer command.Close()
	// When the shell has become sleep, all orphans are children of PID 1. They exit after a tenth of a
	// second, on a busy machine later; zombies would stay.
	if err := becomes(command.PID, "sleep"); err != nil {
		return f, err
	}
	end := time.Now().Add(5 * time.Second)
	for len(children(ct.Process.PID)) != 1 && time.Now().Before(end) {
		time.Sleep(20 * time.Millisecond)
	}
	n.Evidence(narrate.Show("processes", nameOf(ct.Process.PID)+" (PID 1), "+nameOf(command.PID)))
	f.zombies = zombies(ct.Process.PID)
	if err := ct.Signal(syscall.SIGTERM); err != nil {
		return f, err
	}
	f.status, err = ct.Wait()
	f.sleep = present(alive(command))
	return f, err
}

// nameOf returns the name of a process's program: proc_pid_comm(5).
func nameOf(pid int) string { return strings.TrimSpace(read(fmt.Sprintf("/proc/%d/comm", pid))) }

// withLimits returns the configuration with the limits that are possible here.
func withLimits(c container.Config) container.Config {
	c.Resources, _ = options.limits()
	return c
}

// asPID1 runs a shell script as PID 1 of a PID namespace that has no init.
func asPID1(script string) (p *procfs.Process, end func(), err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer null.Close()
	birth := namespace.Birth{}
	birth.Attr.Pdeathsig = syscall.SIGKILL
	p, err = namespace.AsNeeded(namespace.PID).Start(namespace.Program{
		Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: container.DefaultEnv,
		Files: []*os.File{null, null, null},
	}, birth)
	if err != nil {
		return nil, nil, fmt.Errorf("start a process in a PID namespace: %w", err)
	}
	return p, sync.OnceFunc(func() {
		_ = p.Signal(syscall.SIGKILL)
		_, _ = p.Wait()
		_ = p.Close()
	}), nil
}

// waitZombies waits until the orphans have exited, and counts them.
func waitZombies(pid int) (count int) {
	for range 100 {
		if count = zombies(pid); count == 3 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return count
}
