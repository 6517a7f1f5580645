//go:build linux

package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	group "containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/box"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/leak"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// container is the container at stage 02: eight new namespaces, and what makes them useful. Its
// files are the host's.
var container = box.New("sofar-02", func(struct{}, []*os.File) error {
	// Private first: the mount of /proc must not reach the host.
	if err := errors.Join(namespace.SetHostname("containerkit"), namespace.MakePrivate(),
		namespace.MountProc("/proc")); err != nil {
		return err
	}
	// Root on the host can be another user inside, without access to the working directory.
	if unix.Access(".", unix.X_OK) != nil {
		return os.Chdir("/")
	}
	return nil
})

// soFar runs a command with the limits of stage 01 and its own view of everything except files.
func soFar(p stage.Payload) (status int, err error) {
	return container.Run(p, nil, func(*procfs.Process) (struct{}, error) { return struct{}{}, nil })
}

// leaks prints the leak table of the container at stage 02.
func leaks(n *narrate.Narrator) error {
	_, err := group.Find()
	return leak.Table(n, 2, os.Geteuid() == 0, err == nil, soFar)
}
