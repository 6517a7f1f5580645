//go:build linux

package main

import (
	"flag"
	"os"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/box"
	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/leak"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// files are the container's, as the flags say.
var files = rootfs.Spec{Hostname: "containerkit"}

func flags(fs *flag.FlagSet) {
	fs.Func("rootfs", "with a command: `DIR` holds the container's files; without it, the host's /usr and generated files", func(dir string) error {
		files.Dir = dir
		return files.Check()
	})
	fs.Func("volume", "with a command: lend a directory or file, `SRC:DST[:ro]`; may be repeated", func(v string) error {
		volume, err := rootfs.ParseVolume(v)
		if err != nil {
			return err
		}
		files.Volumes = append(files.Volumes, volume)
		return files.Check()
	})
}

// container is the container so far: its name, and now its files.
var container = box.New("sofar-03", func(files rootfs.Spec) error {
	if err := namespace.SetHostname(files.Hostname); err != nil {
		return err
	}
	return files.Enter()
})

// soFar runs a command with a budget, with its own view, and now with files of its own.
func soFar(p stage.Payload) (status int, err error) {
	return container.Run(p, func(int) (rootfs.Spec, error) { return files, nil })
}

// leaks tells what a root of its own seals, beside what the stages before do.
func leaks(n *narrate.Narrator) error {
	_, err := cgroup.Find()
	return leak.Table(n, 3, os.Geteuid() == 0, err == nil, soFar)
}
