//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/box"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/leak"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/stage"
)

// files are the container's, as the flags say.
var files = rootfs.Spec{Hostname: "containerkit"}

func flags(fs *flag.FlagSet) {
	fs.StringVar(&files.Dir, "rootfs", "",
		"with a command: `DIR` holds the container's files; without it, the host's /usr and generated files")
	fs.Func("volume", "with a command: lend a directory or file, `SRC:DST[:ro]`; may be repeated", func(v string) error {
		volume, err := rootfs.ParseVolume(v)
		files.Volumes = append(files.Volumes, volume)
		return err
	})
}

// container is the container so far: its name, and now its files.
var container = box.New("sofar-03", func(spec rootfs.Spec, files []*os.File) error {
	if err := namespace.SetHostname(spec.Hostname); err != nil {
		return err
	}
	return spec.Enter(files...)
})

// soFar runs a command with a budget, with its own view, and now with files of its own.
func soFar(p stage.Payload) (status int, err error) {
	src, err := rootfs.Open(files)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	if err := src.Clone(); err != nil {
		return 0, err
	}
	return container.Run(p, src.Files(), func(init *procfs.Process) (rootfs.Spec, error) {
		if err := mapLayers(src, init); err != nil && !p.Quiet {
			fmt.Fprintf(os.Stderr, "without an ID map for the files of -rootfs, which belong to nobody inside: %v\n", err)
		}
		return src.Spec, nil
	})
}

// mapLayers lets the files of -rootfs keep their owners inside, where root is another user than ours. Ours are ours anyway.
func mapLayers(src *rootfs.Sources, init *procfs.Process) error {
	if !namespace.Container().Shifted() {
		return nil
	}
	users, err := init.Namespace("user")
	if err != nil {
		return err
	}
	defer users.Close()
	return src.Map(users)
}

// leaks tells what a root of its own seals, beside what the stages before do.
func leaks(n *narrate.Narrator) error {
	_, err := cgroup.Find()
	return leak.Table(n, 3, os.Geteuid() == 0, err == nil, soFar)
}
