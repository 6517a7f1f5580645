//go:build linux

package main

import (
	"errors"
	"fmt"
	"syscall"

	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/narrate"
)

// all is what a root of its own needs around it: /proc shows a pid namespace, /sys a network, /dev/mqueue an ipc one.
const all = namespace.Mount | namespace.PID | namespace.IPC | namespace.UTS | namespace.Net

// A probe finds out by trying whether the machine lets us do something. fix says what to do if it does not.
type probe struct{ what, fix string }

var (
	kernelFiles = probe{"proc", "inside Docker or another sandbox parts of /proc are covered, and then the kernel refuses a new one: run it outside, or with --privileged"}
	layers      = probe{"overlay", "load the kernel's module overlay (modprobe overlay); in a user namespace it takes Linux 5.11"}
)

var probing = answering("probing", func(what string) (ok bool, err error) {
	if what == layers.what {
		if err := rootfs.Memory("/tmp"); err != nil {
			return false, err
		}
		if err := populate("/tmp", map[string]string{"lower/": ""}); err != nil {
			return false, err
		}
		return true, layer{"/tmp/top"}.mount("/tmp/lower")
	}
	r, err := rootfs.Begin(rootfs.Spec{})
	for _, step := range []func() error{r.Base, r.Proc, r.Sys} {
		if err == nil {
			err = step()
		}
	}
	return err == nil, err
})

// can runs the probes, and skips the step if one fails.
func can(n *narrate.Narrator, probes ...probe) bool {
	for _, p := range probes {
		var refused syscall.Errno
		if err := inside(probing, all, p.what, nil); err != nil && !errors.As(err, &refused) {
			n.Fail(err) // not the kernel's word: nothing is wrong with the machine
			return false
		} else if err != nil {
			n.Skip(fmt.Sprintf("%v; %s", err, p.fix), true)
			return false
		}
	}
	return true
}
