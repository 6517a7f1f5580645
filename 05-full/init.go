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

// orphans leaves three dead children behind, whose parents died first, and stays, longer than any reader thinks.
const orphans = "for i in 1 2 3; do (sleep 0.1 &); done; exec sleep 3600"

func initProcess(n *narrate.Narrator) error {
	n.Question("Why is the command not process number 1 itself?")
	n.Note("number 1 is special twice: the kernel drops every signal for it that it has no handler for (but SIGKILL and SIGSTOP from outside), and every orphan becomes its child.")

	alone, end, err := asNumberOne(orphans)
	if err != nil {
		return err
	}
	defer end()
	left := waitZombies(alone.PID)
	if err := alone.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	ignored := present(alive(alone))
	n.OldBefore("sleep as number 1: SIGTERM from outside, and three orphans that ended", narrate.Data{"after SIGTERM": ignored, "zombies": left})
	end()

	n.Do(narrate.Call{
		Text: "PID 1 is this program again, as an init: it starts the command as its child, forwards signals to it, and waits for every child that exits",
		Go:   "initproc.RunSession(argv, env, files, birth)", OldSys: "wait4(-1, …), pidfd_send_signal(command, …)",
		Man: "pid_namespaces(7), wait(2)", Hand: "docker run --init …", At: initproc.RunSession})
	number, forwarded, status := left, ignored, 0
	if !n.Without {
		c := options.Config
		c.Args, c.Stderr = []string{"/bin/sh", "-c", orphans}, os.Stderr
		ct, err := container.Start(withLimits(c))
		if err != nil {
			return err
		}
		defer stage.OnInterrupt(func() { _ = ct.Close() })()
		defer ct.Close()
		payload, err := commandOf(ct)
		if err != nil {
			return err
		}
		defer payload.Close()
		// When the shell has become sleep, all orphans are number 1's children. They end after a tenth of a second, on a
		// busy machine later; zombies would stay.
		if err := becomes(payload.PID, "sleep"); err != nil {
			return err
		}
		for end := time.Now().Add(5 * time.Second); len(children(ct.Process.PID)) != 1 && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
		n.OldEvidence("its processes: number 1, and the command", strings.TrimSpace(read(fmt.Sprintf("/proc/%d/comm", ct.Process.PID)))+", "+strings.TrimSpace(read(fmt.Sprintf("/proc/%d/comm", payload.PID))))
		number = zombies(ct.Process.PID)
		if err := ct.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		if status, err = ct.Wait(); err != nil {
			return err
		}
		forwarded = present(alive(payload))
	}
	n.OldProof("orphans are buried: no zombies are left", number == 0, number, left)
	n.OldProof("SIGTERM ends the command", forwarded == "gone" && status == 128+int(syscall.SIGTERM), forwarded, ignored)
	n.OldEvidence("exit status of the container: 128 + 15, the signal that ended the command", status)
	// Without --fork the shell stays outside, and its first child is PID 1: $! is its PID here, for certain.
	n.ByHand(
		"unshare --user --map-root-user --pid sh -e <<'END'",
		"sleep 5 & kill -TERM $!",
		"sleep 0.2; kill -0 $! && echo 'PID 1 ignored SIGTERM'",
		"kill -KILL $!",
		"END",
	)
	n.Clean("both containers have ended")
	return nil
}

// withLimits is the configuration with the limits that can be had here.
func withLimits(c container.Config) container.Config {
	c.Resources, _ = options.limits()
	return c
}

// asNumberOne runs a shell script as number 1 of a PID namespace, with nobody to take care of it.
func asNumberOne(script string) (p *procfs.Process, end func(), err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer null.Close()
	birth := namespace.Birth{}
	birth.Attr.Pdeathsig = syscall.SIGKILL
	p, err = namespace.AsNeeded(namespace.PID).Start(namespace.Program{Path: "/bin/sh",
		Args: []string{"sh", "-c", script}, Env: container.DefaultEnv, Files: []*os.File{null, null, null}}, birth)
	if err != nil {
		return nil, nil, fmt.Errorf("start a process in a PID namespace: %w", err)
	}
	return p, sync.OnceFunc(func() {
		_ = p.Signal(syscall.SIGKILL)
		_, _ = p.Wait()
		_ = p.Close()
	}), nil
}

// waitZombies gives the orphans time to end, and counts them.
func waitZombies(pid int) (count int) {
	for range 100 {
		if count = zombies(pid); count == 3 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return count
}
