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

// container is the container so far: what makes eight new namespaces of use. The files are still the host's.
var container = box.New("sofar-02", func(struct{}, []*os.File) error {
	// Private first: no mount of ours may reach the host.
	if err := errors.Join(namespace.SetHostname("containerkit"), namespace.MakePrivate(), namespace.MountProc("/proc")); err != nil {
		return err
	}
	// Root outside may be nobody in particular inside, who cannot be where he is.
	if unix.Access(".", unix.X_OK) != nil {
		return os.Chdir("/")
	}
	return nil
})

// soFar runs a command within the budget, and now with its own view of everything but the files.
func soFar(p stage.Payload) (status int, err error) {
	return container.Run(p, nil, func(*procfs.Process) (struct{}, error) { return struct{}{}, nil })
}

// leaks tells what namespaces seal, beside what the budget does.
func leaks(n *narrate.Narrator) error {
	_, err := group.Find()
	return leak.Table(n, 2, os.Geteuid() == 0, err == nil, soFar)
}
