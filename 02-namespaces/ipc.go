//go:build linux

package main

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/narrate"
)

// The key of the System V queue and the name of the POSIX queue, in the step's own IPC namespace.
const (
	queueKey  = 0xC0FFEE
	queueName = "containerkit-queue"
)

var (
	createQueues = can("create queues", func([]string) (any, error) {
		if _, err := namespace.SysVQueue(queueKey, true); err != nil {
			return nil, err
		}
		f, err := namespace.POSIXQueue(queueName, true)
		if err != nil {
			return nil, err
		}
		return nil, f.Close()
	})
	findQueues = can("find the queues", func([]string) (any, error) {
		var q queues
		_, err := namespace.SysVQueue(queueKey, false)
		if q.SysV, err = found(err); err != nil {
			return nil, err
		}
		f, err := namespace.POSIXQueue(queueName, false)
		if err == nil {
			f.Close()
		}
		if q.POSIX, err = found(err); err != nil {
			return nil, err
		}
		raw, err := os.ReadFile("/proc/sysvipc/msg")
		q.List = string(raw)
		return q, err
	})
)

// queues says which of the two queues a process finds. List is /proc/sysvipc/msg, as it reads it.
type queues struct{ SysV, POSIX, List string }

// listed returns how many queues are in the list, below its headings.
func (q queues) listed() string {
	return count(strings.Count(q.List, "\n")-1, "queue", "queues")
}

// found turns ENOENT into an answer; every other error stays one.
func found(err error) (string, error) {
	if errors.Is(err, unix.ENOENT) {
		return "no such queue", nil
	}
	return "found", err
}

func ipc(n *narrate.Narrator) error {
	n.Question("What does docker run --ipc isolate?")
	n.Idea("System V message queues, semaphores and shared memory have keys; POSIX message queues " +
		"have names. None of them is a file: they belong to an IPC namespace.")
	spec := namespace.AsNeeded(namespace.IPC)
	host, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer host.close()
	if err := host.ask(nil, createQueues); err != nil {
		return err
	}
	neighbor, err := host.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	var got, control queues
	if err := neighbor.ask(&control, findQueues); err != nil {
		return err
	}
	n.Control("A process in the (simulated) host's IPC namespace looks for two queues",
		narrate.Show("System V queue", control.SysV), narrate.Show("POSIX queue", control.POSIX))

	n.Do(narrate.Call{
		Text: "Start a process in a new IPC namespace, and look for the queues there",
		Sys: userFirst(spec, namespace.IPC, [2]string{"clone(CLONE_NEWIPC)", ""},
			[2]string{"msgget(0xC0FFEE, …)", "the System V queue"},
			[2]string{`mq_open("` + queueName + `", …)`, "the POSIX queue"}),
		Go:  "namespace.Spec{New: namespace.IPC}.Apply(cmd)",
		Man: "ipc_namespaces(7)", Hand: "unshare --ipc ipcs -q", At: namespace.Spec.Apply,
		Without: "Start another process in the host's IPC namespace",
	})
	inside, err := host.agent(only(n.Without, namespace.IPC))
	if err != nil {
		return err
	}
	if err := differ(n, "ipc", host.PID, inside.PID); err != nil {
		return err
	}
	if err := inside.ask(&got, findQueues); err != nil {
		return err
	}
	proveQueues(n, got, control)
	n.Note("POSIX shared memory is files in /dev/shm: mounts hide it (stage 03).")
	n.Why("docker run gives a container its own IPC namespace; with --ipc=host, it sees the " +
		"host's queues and shared memory.")
	n.WithDocker("docker run --rm --ipc=private alpine ipcs -q",
		"unshare --user --map-root-user --ipc sh -c 'ipcmk -Q && ipcs -q && unshare --ipc ipcs -q'",
	)
	n.Clean("the kernel removed the queues with their namespace")
	return nil
}

func proveQueues(n *narrate.Narrator, got, control queues) {
	n.Detail(narrate.Show("/proc/sysvipc/msg", got.List, "inside"),
		narrate.Show("/proc/sysvipc/msg", control.List, "on the host"))
	n.Proof("The host's System V queue doesn't exist inside",
		got.SysV == "no such queue" && control.SysV == "found",
		narrate.Compare("msgget(2)", got.SysV, "host", control.SysV),
		narrate.Compare("/proc/sysvipc/msg", got.listed(), "host", control.listed()))
	n.Proof("The host's POSIX queue doesn't exist inside",
		got.POSIX == "no such queue" && control.POSIX == "found",
		narrate.Compare("mq_open(3)", got.POSIX, "host", control.POSIX))
}
