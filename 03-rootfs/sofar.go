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

// files are the container's files, as the flags say.
var files = rootfs.Spec{Hostname: "containerkit"}

func flags(fs *flag.FlagSet) {
	fs.StringVar(&files.Dir, "rootfs", "",
		"with a command: use the files in `DIR` (default: the host's /usr)")
	fs.Func("volume", "with a command: mount a host path, `SRC:DST[:ro]` (repeatable)", func(v string) error {
		volume, err := rootfs.ParseVolume(v)
		files.Volumes = append(files.Volumes, volume)
		return err
	})
}

// container is the container at this stage: its hostname, and now its files.
var container = box.New("sofar-03", func(spec rootfs.Spec, files []*os.File) error {
	if err := namespace.SetHostname(spec.Hostname); err != nil {
		return err
	}
	return spec.Enter(files...)
})

// soFar runs a command with limits, in its own namespaces, and now with its own files.
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
			fmt.Fprintf(os.Stderr,
				"03-rootfs: no ID mapping for -rootfs, so its files belong to nobody inside: %v\n", err)
		}
		return src.Spec, nil
	})
}

// mapLayers maps the owners of the files of -rootfs, so that they are the same inside, where root
// is another UID. It does nothing if root inside is our own UID.
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

// leaks prints the leak table of this stage.
func leaks(n *narrate.Narrator) error {
	_, err := cgroup.Find()
	return leak.Table(n, 3, os.Geteuid() == 0, err == nil, soFar)
}
