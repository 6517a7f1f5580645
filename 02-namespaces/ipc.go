//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/narrate"
)

// The key of the System V queue and the name of the POSIX queue. They live in a namespace of the step's own.
const (
	queueKey  = 0xC0FFEE
	queueName = "containerkit-queue"
)

var (
	makeQueues = can("make queues", func([]string) (any, error) {
		if _, err := namespace.SysVQueue(queueKey, true); err != nil {
			return nil, err
		}
		f, err := namespace.POSIXQueue(queueName, true)
		if err != nil {
			return nil, err
		}
		return nil, f.Close()
	})
	findSysV = can("find the System V queue", func([]string) (any, error) {
		_, err := namespace.SysVQueue(queueKey, false)
		return found(err)
	})
	findPOSIX = can("find the POSIX queue", func([]string) (any, error) {
		f, err := namespace.POSIXQueue(queueName, false)
		if err == nil {
			f.Close()
		}
		return found(err)
	})
	listSysV = can("cat /proc/sysvipc/msg", func([]string) (any, error) {
		raw, err := os.ReadFile("/proc/sysvipc/msg")
		return string(raw), err
	})
)

// found turns "there is none" into an answer; every other error stays one.
func found(err error) (string, error) {
	if errors.Is(err, unix.ENOENT) {
		return "no such queue", nil
	}
	return "found", err
}

func ipc(n *narrate.Narrator) error {
	n.Question("There are queues and shared memory without a file. Who sees those?")
	host, err := newAgent(asNeeded(n, namespace.IPC))
	if err != nil {
		return err
	}
	defer host.close()
	if err := host.ask(nil, makeQueues); err != nil {
		return err
	}
	var list string
	if err := host.ask(&list, listSysV); err != nil {
		return err
	}
	n.OldBefore(fmt.Sprintf("an IPC namespace plays the host, with a System V queue (key %d) and a POSIX queue (%s)", queueKey, queueName), nil)
	n.OldEvidence("/proc/sysvipc/msg outside", list)
	neighbour, err := host.agent(namespace.Spec{})
	if err != nil {
		return err
	}

	n.Do(narrate.Call{Text: "start a process in an IPC namespace of its own, and look for the queues there",
		Go: "namespace.Spec{New: namespace.IPC}.Apply(cmd)", OldSys: "clone(CLONE_NEWIPC), then inside msgget(" + strconv.Itoa(queueKey) + `), mq_open("` + queueName + `")`,
		Man: "ipc_namespaces(7)", Hand: "unshare --ipc ipcs -q", At: namespace.Spec.Apply})
	inside, err := host.agent(only(n.Without, namespace.IPC))
	if err != nil {
		return err
	}
	if err := differ(n, "ipc", host.PID, inside.PID); err != nil {
		return err
	}
	if err := inside.ask(&list, listSysV); err != nil {
		return err
	}
	n.OldEvidence("/proc/sysvipc/msg inside", list)
	for _, q := range []struct{ claim, op string }{
		{"a System V queue outside does not exist inside", findSysV},
		{"a POSIX queue outside does not exist inside", findPOSIX},
	} {
		var got, control string
		if err := inside.ask(&got, q.op); err != nil {
			return err
		}
		if err := neighbour.ask(&control, q.op); err != nil {
			return err
		}
		n.OldProof(q.claim, got == "no such queue" && control == "found", got, control)
	}
	n.Note("POSIX shared memory is not here: shm_open(3) makes plain files in /dev/shm, so it is the mounts that hide it (stage 03)")
	n.ByHand(
		"unshare --user --map-root-user --ipc sh -c 'ipcmk -Q && ipcs -q && unshare --ipc ipcs -q'",
	)
	n.Clean("the queues ended with their namespace")
	return nil
}
